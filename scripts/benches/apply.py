"""The frozen agent against docker load and docker-compose, on private engines: medians of pairs.

Each place has a new file system: for minutes, ext4 looks at every file that was removed before it makes another. The
release brings five images on one base, 1.7 GB of layers, made of the distribution's packages: what this machine has
installed does not count. A task of each image runs, for tasks are over at once: the seconds in which containers have to
stay well before a change counts as done are asked for, and no speed. docker-compose is what the distribution has, for
Debian 12 version 1, which is Python as the agent is. A row alone: its name as an argument.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from pathlib import Path

from delta import base_of, layer_of, measured, write_jar
from format import Row, paired, seconds

from tests.engines import PrivateEngine, missing

ROOT = Path(__file__).resolve().parents[2]
AGENT = ROOT / "dist" / "floto-agent"
LAYERS = {
    "java": ("base", "openjdk-17-jdk-headless"),
    "reports": ("java", "maven gradle jruby libpdfbox2-java libspring-web-java tomcat10"),
    "forecast": ("base", "python3-pandas python3-grpcio python3-rasterio python3-sqlalchemy python3-boto3"),
    "database": ("base", "postgresql-15-postgis-3 postgresql-plpython3-15 gdal-bin"),
    "web": ("base", "nginx-light"),
}
"""Images by name: the one below, and the packages that are laid on it."""
TRIED = ("orders", "reports", "forecast", "database", "web")
BOXES = range(10)
MEBIBYTE = 1 << 20
ROOM = 16 << 30
"""Bytes of a place's disk; it takes what is written to it."""

WRITES = "--trace=write,pwrite64,writev,pwritev,sendto,sendmsg,sendfile"

FIVE = """project("system", version = "{version}")
server = host("server", address = "10.0.0.1")
base = image("base", files = {{"/": unpack(file("base.tar"))}})
images = {{"base": base}}
for name, below in {layers}:
    images[name] = image(name, base = images[below], files = {{"/": unpack(file(name + ".tar"))}})
images["orders"] = image("orders", base = images["java"], files = {{"/opt/app": folder("app")}})
[task("try-" + name, image = images[name], host = server, command = ["/bin/true"]) for name in {tried}]
"""
TEN = """project("system", version = "{version}")
server = host("server", address = "10.0.0.1")
base = image("base", files = {{"/": unpack(file("base.tar"))}})
[container("box%d" % number, image = base, host = server, command = ["sleep", "inf"], init = True,
    ports = {{"80/tcp": 8000 + number}}, env = {{"NUMBER": str(number)}},
    mounts = {{"/data": volume("data%d" % number)}}) for number in range(10)]
"""
COMPOSE = {
    "version": "2.4",
    "services": {
        f"box{number}": {
            "image": "system/base:3",
            "command": ["sleep", "inf"],
            "init": True,
            "ports": [f"{9000 + number}:80"],
            "environment": {"NUMBER": str(number)},
            "volumes": [f"data{number}:/data"],
        }
        for number in BOXES
    },
    "volumes": {f"data{number}": {} for number in BOXES},
}


class Home:
    """Where the bundles come from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._project = folder / "project"
        (self._project / "app").mkdir(parents=True)
        shutil.copyfile(base_of(1), self._project / "base.tar")
        for name, (below, packages) in LAYERS.items():
            layer = layer_of(name, packages, *LAYERS.get(below, ())[1:])
            shutil.copyfile(layer, self._project / f"{name}.tar")
        self.words = json.loads(self._floto("keygen", "system", "--no-passphrase", "--json"))["words"]
        self.first = self._build("first", FIVE, 1)
        self.second = self._build("second", FIVE, 2, "--base", self.first, tried=["orders"])
        self.ten = self._build("ten", TEN, 3)

    def _build(
        self, name: str, definition: str, version: int, *options: str | Path, tried: Iterable[str] = TRIED
    ) -> Path:
        """One release as a bundle; the app's jar is another in every version."""
        text = definition.format(
            version=version, layers=[(name, below) for name, (below, _) in LAYERS.items()], tried=[*tried]
        )
        (self._project / "site.star").write_text(text, encoding="utf-8")
        write_jar(self._project / "app" / "system.jar", version)
        bundle = self.folder / f"{name}.floto"
        signed = ("--key", "keys/system.key", "--sequence", str(version))
        self._floto("build", "project", *signed, "--output", bundle, *options)
        return bundle

    def _floto(self, *words: str | Path) -> str:
        command = [sys.executable, "-m", "builder.cli.main", *words]
        return subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.PIPE, text=True).stdout


class Place:
    """A site with an empty engine that believes the makers, both on a new disk; a context manager."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def __enter__(self) -> "Place":
        with ExitStack() as opened:
            disk = opened.enter_context(_new_disk(self._home.folder))
            self._engine = opened.enter_context(PrivateEngine(parent=disk))
            self.folder = disk / "site"
            self.folder.mkdir()
            site = f'site = "bench"\n[hosts.server]\nengine = "{self._engine.address}"\n'
            (self.folder / "site.toml").write_text(site, encoding="utf-8")
            root = self._home.folder / "keys" / "root-1.floto-root"
            self.run(*self.agent("trust", "enrol", root, "--fingerprint", self._home.words))
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def agent(self, *words: str | Path) -> list[str | Path]:
        """The command line of a verb."""
        return [AGENT, *words, "--state", self.folder / "state"]

    def apply(self, bundle: Path) -> list[str | Path]:
        """The command line that applies a bundle."""
        return self.agent("apply", bundle, "--site", self.folder / "site.toml", "--yes")

    def run(self, *command: str | Path) -> None:
        """Run a command on this site; docker's programs find its engine."""
        variables = os.environ | {"DOCKER_HOST": self._engine.address}
        done = subprocess.run(command, cwd=self.folder, env=variables, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")

    def shell(self, script: str) -> None:
        """Run a line of shell on this site."""
        self.run("bash", "-o", "pipefail", "-c", script)


class Bench:
    """What is measured on sites of one home."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def means(self) -> Iterator[str]:
        """What an apply on an empty engine takes: bytes written beside store and engine, and memory."""
        with Place(self._home) as place:
            yield _told("written outside store and engine, of MiB", sum(_strayed(place, self._home.first).values()), 1)
        with Place(self._home) as place:
            row = measured("", place.apply(self._home.first), lambda: 0, self._home.folder)
            yield _told("largest memory of the agent, of MiB", row.memory, 200)

    def empty(self) -> Iterator[Row]:
        """An apply on an empty engine."""
        yield paired("apply on an empty engine / zstd -dc | docker load", 0.8, self.apply, self.load)

    def patch(self) -> Iterator[Row]:
        """An apply of one changed layer."""
        yield paired("patch of one layer / the same load", 0.15, self.update, self.load)

    @cached_property
    def _saved(self) -> Path:
        """The first release's images as `docker load` takes them."""
        saved = self._home.folder / "saved.zst"
        with Place(self._home) as place:
            place.run(*place.apply(self._home.first))
            names = "docker image ls --format '{{.Repository}}:{{.Tag}}' 'system/*'"
            place.shell(f"docker save $({names}) | zstd -q -T0 -3 -o {saved}")
        return saved

    def load(self) -> float:
        """Seconds of what a careful person does without floto, on an empty engine."""
        command = f"zstd -dc {self._saved} | docker load"
        with Place(self._home) as place:
            return seconds(partial(place.shell, command))

    def apply(self) -> float:
        """Seconds of an apply on an empty engine."""
        with Place(self._home) as place:
            return seconds(partial(place.run, *place.apply(self._home.first)))

    def update(self) -> float:
        """Seconds of an apply that brings one changed layer as a patch, to a site that has the release before."""
        with Place(self._home) as place:
            place.run(*place.apply(self._home.first))
            return seconds(partial(place.run, *place.apply(self._home.second)))

    def nothing(self) -> Iterator[Row]:
        """Ten containers that run as they should, ours and docker-compose's."""
        with Place(self._home) as place:
            (place.folder / "docker-compose.yml").write_text(json.dumps(COMPOSE), encoding="utf-8")
            again, up = place.apply(self._home.ten), ["docker-compose", "up", "-d"]
            place.run(*again)
            place.run(*up)
            name = "nothing to do, ten containers / docker-compose up -d"
            yield paired(
                name, 0.5, partial(seconds, partial(place.run, *again)), partial(seconds, partial(place.run, *up))
            )


@contextmanager
def _new_disk(folder: Path) -> Iterator[Path]:
    """A new file system, mounted in `folder`, in a file that is gone afterwards."""
    file, disk = folder / "disk.ext4", folder / "disk"
    disk.mkdir()
    with file.open("wb") as content:
        content.truncate(ROOM)
    subprocess.run(["mkfs.ext4", "-q", file], check=True)
    # Direct: what is written to it shall not be kept in memory twice.
    attach = ["losetup", "--find", "--show", "--direct-io=on", file]
    device = subprocess.run(attach, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    try:
        subprocess.run(["mount", device, disk], check=True)
        try:
            yield disk
        finally:
            # Lazily, for an engine's last process may be dying still.
            subprocess.run(["umount", "--lazy", disk], check=True)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
        file.unlink()
        disk.rmdir()


def _strayed(place: Place, bundle: Path) -> Counter[str]:
    """Bytes that an apply writes to neither store nor engine, by file; the agent's own unpacked parts do not count."""
    trace = place.folder / "trace"
    place.run("strace", "-f", "-y", "-qq", "-s", "0", WRITES, "-o", trace, *place.apply(bundle))
    written, begun = Counter[str](), dict[str, str]()
    with trace.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            process, _, call = line.partition(" ")
            if found := re.match(r"\s*\w+\(\d+<(.*?)>", call):
                begun[process] = found[1]
            if (found := re.search(r"= (\d+)$", call)) and process in begun:
                written[begun[process]] += int(found[1])
    known = ("socket:", "UNIX", f"{place.folder}/state/store", f"{tempfile.gettempdir()}/_MEI")
    return Counter({name: size for name, size in written.items() if not name.startswith(known)})


def _told(name: str, size: int, most: int) -> str:
    verdict = "reached" if size <= most * MEBIBYTE else "NOT REACHED"
    return f"{name:<44} {size / MEBIBYTE:7.2f} (at most {most}) {verdict}"


def main() -> None:
    """Print a row for each comparison as soon as it is known."""
    if lacking := missing():
        sys.exit(lacking)
    os.environ["PYTHONPATH"] = str(ROOT)
    subprocess.run([ROOT / ".work" / "freeze" / "bin" / "python", ROOT / "scripts" / "freeze_agent.py"], check=True)
    with tempfile.TemporaryDirectory(prefix="floto-bench-", dir="/var/tmp") as folder:
        bench = Bench(Home(Path(folder)))
        rows = {"means": bench.means, "empty": bench.empty, "patch": bench.patch, "nothing": bench.nothing}
        for name in sys.argv[1:] or rows:
            for row in rows[name]():
                print(row, flush=True)


if __name__ == "__main__":
    main()
