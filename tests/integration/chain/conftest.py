"""Both ends of the chain, with nothing between but files: makers with a project and keys, a site with a real engine."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.engines import PrivateEngine, missing
from tests.images import busybox_layer

ROOT = Path(__file__).resolve().parents[3]

DEFINITION = """project("shop", version = "{version}")
server = host("server", address = "10.0.0.1")
base = image("base", files = {{"/": unpack(file("base.tar"))}}, platform = "{platform}")
app = image("app", base = base, files = {{"/srv/lib": folder("lib")}}, cmd = ["sleep", "inf"], platform = "{platform}")
page = template("page", src = "page.j2", vars = {{"greeting": param("greeting", default = "welcome")}})
front = container("front", image = app, host = server, mounts = {{"/srv/page": page}}, stop_grace = "1s")
"""

SETTINGS = {"SOURCE_DATE_EPOCH": "1700000000", "PYTHONPATH": str(ROOT)}


def run(
    program: str, words: tuple[object, ...], folder: Path, code: int, stdin: bytes | None = None, **settings: str
) -> str:
    """Run a program to its end, which must be `code`; what it said, results first."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **settings},
        input=stdin if stdin is not None else b"",
        capture_output=True,
        check=False,
    )
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == code, f"exit code {done.returncode}: {words}\n{said}"
    return said if "--json" not in words or code else done.stdout.decode()


@dataclass(frozen=True)
class Home:
    """The makers' side."""

    folder: Path

    @property
    def key(self) -> Path:
        return self.folder / "keys" / "shop.key"

    def floto(self, *words: object, code: int = 0, **settings: str) -> str:
        program = "from builder.cli.main import main; main()"
        return run(program, words, self.folder, code, **{**SETTINGS, **settings})

    def write(self, version: str, *, platform: str = "linux/amd64", page: str = "{{ greeting }}\n") -> None:
        """The project as of a version: a jar of 9 MB, of which each version changes a little."""
        project = self.folder / "project"
        (project / "lib").mkdir(parents=True, exist_ok=True)
        (project / "site.star").write_text(DEFINITION.format(version=version, platform=platform), encoding="utf-8")
        (project / "page.j2").write_text(page, encoding="utf-8")
        (project / "base.tar").write_bytes(busybox_layer())
        jar = random.Random(1).randbytes(9_000_000)
        (project / "lib" / "shop.jar").write_bytes(jar[:4_000_000] + version.encode() + jar[4_000_000:])

    def build(self, version: str, sequence: int, *options: object, **kind: Any) -> Path:
        """A signed bundle of a version."""
        self.write(version, **kind)
        path = self.folder / f"shop-{version}-{sequence}.floto"
        words = ("build", "project", "--output", path, "--sequence", sequence, "--store", "store", *options)
        self.floto(*words, *(() if "--key" in options else ("--key", self.key)))
        return path


@dataclass(frozen=True)
class Site:
    """The site, and the agent as a person runs it there."""

    folder: Path
    engine: PrivateEngine

    def agent(
        self, *words: object, code: int = 0, stdin: bytes | None = None, version: str = "", clock: int = 0
    ) -> str:
        """Run the agent; as if it were of another `version`, or as if it were another time."""
        program = "import bundle_format, time\n"
        if version:
            program += f"bundle_format.__version__ = {version!r}\n"
        if clock:
            program += f"real, begun = time.time, time.time()\ntime.time = lambda: {clock} + real() - begun\n"
        program += "from agent.cli.main import main; main()"
        return run(program, words, self.folder, code, stdin, PYTHONPATH=str(ROOT), FLOTO_STATE="state")

    def json(self, *words: object, **options: Any) -> Any:
        return json.loads(self.agent(*words, "--json", **options))

    def running(self) -> dict[str, str]:
        """Name and image of what runs."""
        lines = self.engine.docker("ps", "--format", "{{.Names}} {{.Image}}").splitlines()
        tag = ("image", "inspect", "--format", "{{index .RepoTags 0}}")
        return {name: self.engine.docker(*tag, image) for name, image in map(str.split, lines)}

    def stored(self) -> set[str]:
        """The blobs in the site's store."""
        return {path.name for path in (self.folder / "state" / "store").glob("blobs/??/*")}


@pytest.fixture(scope="session")
def engine() -> Iterator[PrivateEngine]:
    """The engine that is installed here."""
    if why := missing():
        pytest.skip(why)
    with PrivateEngine() as private:
        yield private


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Makers with one key, who have made two releases."""
    home = Home(tmp_path_factory.mktemp("home"))
    home.floto("keygen", "shop", "--no-passphrase")
    return home


@pytest.fixture(scope="session")
def first(home: Home) -> Path:
    """The bundle of release 1."""
    return home.build("1", 1)


@pytest.fixture(scope="session")
def second(home: Home) -> Path:
    """The bundle of release 2, whose jar differs a little."""
    return home.build("2", 2)


@pytest.fixture
def site(engine: PrivateEngine, home: Home, tmp_path: Path) -> Iterator[Site]:
    """A fresh site that has enrolled the makers."""
    site = Site(tmp_path, engine)
    (tmp_path / "site.toml").write_text(f'site = "krakow-1"\n[hosts.server]\nengine = "{engine.address}"\n', "utf-8")
    fingerprint = json.loads(home.floto("sign", "keys/root-1.floto-root", "--show", "--json"))["digest"]
    site.agent("trust", "enrol", home.folder / "keys" / "root-1.floto-root", "--fingerprint", fingerprint)
    yield site
    for listed, removal in (
        ("ps --all --quiet", "rm --force"),
        ("volume ls --quiet", "volume rm"),
        ("network ls --quiet --filter type=custom", "network rm"),
        ("images --all --quiet --no-trunc", "rmi --force"),
    ):
        if names := engine.docker(*listed.split()).split():
            engine.docker(*removal.split(), *dict.fromkeys(names))
