"""Deltas against zstd --patch-from, xdelta3 and casync: a base with its security updates, and a jar that was rebuilt.

Both releases are built by floto-builder itself. Bases come from debootstrap and are upgraded from the security suite of
this machine's own apt sources; they are kept in .work.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.stage import stage
from bundle_format.digest import digest_of, hex_of
from bundle_format.progress import Silence
from bundle_format.reader import Bundle, open_bundle
from bundle_format.store import Store
from bundle_format.trust.documents import read_document
from bundle_format.trust.trust import trust_in

ROOT = Path(__file__).resolve().parents[2]
BASES = ROOT / ".work"
JDK = Path("usr/lib/jvm/java-17-openjdk-amd64")
CLASSES = Path("/") / JDK / "jmods"
MODULES = ("java.base", "java.desktop", "java.xml")
CHANGED_PERCENT = 3
MOST_MEMORY = 1 << 30
RIVALS = {
    **{
        f"zstd {level} --patch-from": f"zstd -q -f {level} --long=31 --patch-from={{old}} {{new}} -o {{patch}}"
        for level in ("-3", "-9", "-19")
    },
    **{
        f"xdelta3 {options}": f"xdelta3 -q -f -e {options} -B 536870912 -s {{old}} {{new}} {{patch}}"
        for options in ("-3", "-9 -S lzma")
    },
}
FULL = "full bundle, from nothing"
Write = Callable[[Path, int], None]

DEFINITION = """project("system", version = "{version}")
base = image("base", files = {{"/": unpack(file("base.tar"))}})
java = image("java", base = base, files = {{"/": unpack(file("java.tar"))}})
app = image("app", base = java, files = {{"/opt/app": folder("app")}}, cmd = ["/opt/app/start"])
container("app", image = app, host = host("server", address = "10.0.0.1"))
"""


@dataclass(frozen=True)
class Row:
    """What a method makes of the difference: bytes to carry, seconds of clock and processors, its largest process."""

    name: str
    size: int
    seconds: float
    busy: float
    memory: int

    def __str__(self) -> str:
        times = f"{self.seconds:7.1f} s {self.busy:7.1f} CPU s"
        return f"{self.name:<44} {self.size / 1e6:9.3f} MB {times} {self.memory >> 20:6} MiB"


def measured(name: str, command: list[str | Path], size: Callable[[], int], folder: Path) -> Row:
    """Run one command in a process of its own, whose largest memory is told."""
    program = (
        "import resource, subprocess, sys\n"
        "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss)\n"
        "sys.exit(code)"
    )
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, command)], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    busy, memory = done.stdout.split()
    return Row(name, size(), time.perf_counter() - start, float(busy), int(memory) << 10)


class Bench:
    """Two releases, their bundles, and the layers that differ; `write` makes a folder the project of one of them."""

    def __init__(self, folder: Path, product: str, write: Write) -> None:
        self.folder = folder
        self._product = product
        self._write = write
        self._floto("keygen", product, "--no-passphrase")

    def build(self, name: str, version: int, store: str, *options: str | Path) -> Row:
        """Build one release to `name`.floto with whatever the store has."""
        self._write(self.folder / "project", version)
        path = self.folder / f"{name}.floto"
        command = [sys.executable, "-m", "builder.cli.main", "build", "project", "--key", f"keys/{self._product}.key"]
        command += ["--store", store, "--sequence", str(version), "--output", str(path), *map(str, options)]
        return measured(name, list(command), lambda: path.stat().st_size, self.folder)

    def opened(self, name: str) -> Bundle:
        """A bundle that was built."""
        root = read_document((self.folder / "keys" / "root-1.floto-root").read_bytes())
        return open_bundle(self.folder / f"{name}.floto", trust_in(root))

    def layers(self, name: str) -> list[Path]:
        """The raw layers of a bundle's images, base first."""
        paths = []
        with self.opened(name) as bundle:
            images = bundle.release.images
            for layer in (layer for image in sorted(images) for layer in images[image].layers):
                paths.append(self.folder / f"{hex_of(layer)}.tar")
                if not paths[-1].exists():
                    with bundle.open_blob(layer) as stream, paths[-1].open("wb") as file:
                        shutil.copyfileobj(stream, file, 1 << 20)
        return paths

    def _floto(self, *words: str) -> None:
        subprocess.run([sys.executable, "-m", "builder.cli.main", *words], cwd=self.folder, check=True, stdout=2)


def write_system(project: Path, version: int) -> None:
    """One image on a JDK on Debian, all of them files."""
    (project / "app").mkdir(parents=True, exist_ok=True)
    (project / "site.star").write_text(DEFINITION.format(version=version), encoding="utf-8")
    shutil.copyfile(base_of(version), project / "base.tar")
    if not (project / "java.tar").exists():
        subprocess.run(["tar", "--sort=name", "-C", "/", "-cf", project / "java.tar", JDK], check=True)
    write_jar(project / "app" / "system.jar", version)


def base_of(version: int) -> Path:
    """The base of a release as a tar: as the suite was released, or with its security updates."""
    paths = [BASES / f"bench-base-{number}.tar" for number in (1, 2)]
    if not all(path.exists() for path in paths):
        with tempfile.TemporaryDirectory(prefix="floto-base-", dir=BASES) as name:
            root = Path(name) / "root"
            packages = "--include=ca-certificates,curl,openssl,perl"
            subprocess.run(["debootstrap", "--variant=minbase", packages, "bookworm", root], check=True, stdout=2)
            _tar(root, paths[0])
            upgrade(root, "apt-get -qq update && apt-get -qq -y upgrade")
            _tar(root, paths[1])
    return paths[version - 1]


def layer_of(name: str, packages: str, below: str = "") -> Path:
    """What packages of the suite, with all that they need, add to the first base as a tar; less what `below` adds."""
    path = BASES / f"bench-{name}-{digest_of(f'{packages}/{below}'.encode())[7:19]}.tar"
    if not path.exists():
        with tempfile.TemporaryDirectory(prefix="floto-layer-", dir=BASES) as folder:
            root, known, archives = (Path(folder) / part for part in ("root", "known", "archives"))
            for part in (root, known, archives / "partial"):
                part.mkdir(parents=True)
            subprocess.run(["tar", "-xf", base_of(1), "-C", known, "./var/lib/dpkg/status"], check=True)
            options = {"Dir::State::status": known / "var/lib/dpkg/status", "Dir::Cache::archives": archives}
            sets = [f"-o{key}={value}" for key, value in {**options, "APT::Sandbox::User": "root"}.items()]
            fetch = ["apt-get", "-qq", "-y", "--no-install-recommends", "--download-only", *sets, "install"]
            subprocess.run([*fetch, *below.split()], check=True, stdout=2)
            there = {*archives.glob("*.deb")}
            subprocess.run([*fetch, *below.split(), *packages.split()], check=True, stdout=2)
            for package in sorted({*archives.glob("*.deb")} - there):
                subprocess.run(["dpkg-deb", "-x", package, root], check=True)
            _tar(root, path)
    return path


def _tar(root: Path, path: Path) -> None:
    beside = path.with_suffix(".partial")
    skip = [
        f"--exclude=./{folder}/*" for folder in ("dev", "proc", "sys", "var/cache/apt", "var/lib/apt/lists", "var/log")
    ]
    subprocess.run(["tar", "--sort=name", "--numeric-owner", *skip, "-cf", beside, "-C", root, "."], check=True)
    beside.replace(path)


def upgrade(root: Path, command: str) -> None:
    """Run a command of shell in a root file system whose apt knows the security suite."""
    places = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("debian*"))]
    sources = [path for path in places if path.is_file() and "-security" in path.read_text("utf-8")]
    if not sources:
        sys.exit("this machine's apt sources name no security suite: there is nothing to upgrade from")
    for source in sources:
        shutil.copyfile(source, root / "etc/apt/sources.list.d" / f"bench-{source.name}")
    shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["chroot", root, "sh", "-c", command], env=quiet, check=True, stdout=2)
    for source in sources:
        (root / "etc/apt/sources.list.d" / f"bench-{source.name}").unlink()
    (root / "etc/resolv.conf").unlink()


def write_jar(path: Path, version: int) -> None:
    """A jar as a build makes it: every entry with the build's time, a few classes changed."""
    rng = random.Random(version)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as jar:
        for module in MODULES:
            with zipfile.ZipFile(CLASSES / f"{module}.jmod") as classes:
                for entry in classes.infolist():
                    content = bytearray(classes.read(entry))
                    if version > 1 and content and rng.randrange(100) < CHANGED_PERCENT:
                        at = rng.randrange(len(content))
                        content[at : at + 8] = rng.randbytes(8)
                    jar.writestr(
                        zipfile.ZipInfo(f"{module}/{entry.filename}", (2024, version, 1, 12, 0, 0)),
                        bytes(content),
                        zipfile.ZIP_DEFLATED,
                    )


def rows_of_floto(bench: Bench) -> Iterator[Row]:
    """A full bundle from nothing, what of it is not the same, and a delta beside the release before."""
    bench.build("release 1", 1, "store")
    patched = bench.build("delta with patches", 2, "store", "--base", "release 1.floto")
    full = bench.build(FULL, 2, "empty-store")
    _prove(bench)
    with bench.opened(FULL) as bundle, bench.opened("release 1") as before:
        entries = [entry for digest, entry in bundle.entries.items() if digest in before.entries]
        same = sum(frame.stored for entry in entries for frame in bundle.table[entry.first :][: entry.frames])
    yield from (full, Row("delta of whole blobs", full.size - same, 0, 0, 0), patched)


def _prove(bench: Bench) -> None:
    """A site that has release 1 rebuilds release 2 from the patches, or an error says what it could not."""
    site = Store(bench.folder / "site")
    for name in ("release 1", "delta with patches"):
        with bench.opened(name) as bundle:
            stage(bundle, site, list(bundle.entries), Silence())


def rows_of_rivals(bench: Bench) -> Iterator[Row]:
    """The same layers that differ, each against the one in its place."""
    layers = zip(bench.layers("release 1"), bench.layers(FULL), strict=True)
    pairs = dict.fromkeys((old, new) for old, new in layers if old != new)
    for name, command in RIVALS.items():
        yield _sum(name, [_patch(bench, name, command, *pair) for pair in pairs])
    yield _sum("casync", [_casync(bench, *pair) for pair in pairs])


def _patch(bench: Bench, name: str, command: str, old: Path, new: Path) -> Row:
    patch = bench.folder / "patch"
    words = [word.format(old=old, new=new, patch=patch) for word in command.split()]
    return measured(name, list(words), lambda: patch.stat().st_size, bench.folder)


def _casync(bench: Bench, old: Path, new: Path) -> Row:
    store = bench.folder / "casync.castr"
    shutil.rmtree(store, ignore_errors=True)
    command = ["casync", "make", f"--store={store}"]
    subprocess.run([*command, bench.folder / "old.caibx", old], check=True, stdout=subprocess.DEVNULL)
    before = _bytes_in(store)
    index = bench.folder / "new.caibx"
    return measured(
        "casync", [*command, index, new], lambda: _bytes_in(store) - before + index.stat().st_size, bench.folder
    )


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _sum(name: str, rows: list[Row]) -> Row:
    seconds, busy = sum(row.seconds for row in rows), sum(row.busy for row in rows)
    return Row(name, sum(row.size for row in rows), seconds, busy, max(row.memory for row in rows))


def compare(bench: Bench) -> None:
    """Print a row for each method as soon as it is known, then what was asked for."""
    ours, rivals = [], []
    for row in rows_of_floto(bench):
        print(row, flush=True)
        ours.append(row)
    for row in rows_of_rivals(bench):
        print(row, flush=True)
        rivals.append(row)
    full, _, patched = ours
    best = min(rivals, key=lambda row: row.size)
    judge(f"patches / {best.name}", patched.size / best.size, 1.2)
    judge("patches / full bundle", patched.size / full.size, 0.05)
    judge("CPU: patches / full bundle, from nothing", patched.busy / full.busy, 1.0)
    judge("memory of the build / 1 GiB", patched.memory / MOST_MEMORY, 1.0)


def judge(name: str, ratio: float, target: float) -> None:
    """Say whether a ratio is what it shall be at most."""
    print(f"{name:<44} {ratio:9.2f} (at most {target:.2f}) {'reached' if ratio <= target else 'NOT REACHED'}")


def main(product: str, write: Write) -> None:
    """Compare what is made of two releases, in a folder that goes with it."""
    os.environ["PYTHONPATH"] = str(ROOT)
    os.environ["SOURCE_DATE_EPOCH"] = "1700000000"
    BASES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="floto-bench-", dir="/var/tmp") as folder:
        compare(Bench(Path(folder), product, write))


if __name__ == "__main__":
    main("system", write_system)
