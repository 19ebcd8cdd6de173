"""A site with a real engine of its own, and the agent as a person runs it there."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.floor import FLOOR
from bundle_format.trust.state import TrustFolder
from tests.bundles import ISSUED, root_document
from tests.corner_shop import write_site
from tests.engines import PrivateEngine, each_kind, made_engine
from tests.terminals import Terminal

ROOT = Path(__file__).resolve().parents[4]
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="session", params=each_kind(everyday=["docker"]))
def engine(request: pytest.FixtureRequest) -> Iterator[PrivateEngine]:
    """The engine that is installed here; in the long suite newer ones, too."""
    with made_engine(request.param) as private:
        yield private


@dataclass(frozen=True)
class Agent:
    """The agent on a site, in a folder of its own."""

    folder: Path
    engine: PrivateEngine

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def command(self, verb: str, *arguments: object) -> list[str]:
        return [sys.executable, "-m", "agent.cli.main", verb, *map(str, arguments), "--state", str(self.state)]

    def start(self, verb: str, *arguments: object) -> "subprocess.Popen[str]":
        """Run it beside the test."""
        return subprocess.Popen(
            self.command(verb, *arguments),
            cwd=self.folder,
            env=ENV,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def on_terminal(self, verb: str, *arguments: object) -> Terminal:
        """Run it beside the test on a terminal of its own."""
        return Terminal(self.command(verb, *arguments), self.folder, ENV)

    def run(self, verb: str, *arguments: object, code: int = 0) -> str:
        """Run it to its end; what it said, results first."""
        process = self.start(verb, *arguments)
        output, messages = process.communicate(timeout=300)
        assert process.returncode == code, f"exit code {process.returncode}\n{output}\n{messages}"
        return output + messages

    def page(self, port: int = 8080) -> str:
        """What the front of the shop answers inside the engine's network; empty when it does not."""
        url = f"http://127.0.0.1:{port}/index.html"
        fetch = f"import urllib.request; print(urllib.request.urlopen({url!r}, timeout=2).read().decode())"
        command = self.engine.beside(sys.executable, "-c", fetch)
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    @contextmanager
    def beside(self, program: str) -> Iterator[None]:
        """A Python program on the engine's network, which says a line when it is ready; it ends with its input."""
        command = self.engine.beside(sys.executable, "-c", f"{program}\nimport sys; sys.stdin.read()")
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout and process.stdout.readline()
            yield

    def ids(self) -> dict[str, str]:
        """The containers on the engine, by name."""
        lines = self.engine.docker("ps", "--all", "--no-trunc", "--format", "{{.Names}} {{.ID}}").splitlines()
        return dict(line.split() for line in lines)


@pytest.fixture
def site(engine: PrivateEngine, tmp_path: Path) -> Iterator[Agent]:
    """A fresh site whose makers are enrolled."""
    write_site(tmp_path, engine.address)
    TrustFolder(tmp_path / "state", FLOOR).change(lambda trust: trust.enrol(root_document("acme"), clock=ISSUED))
    yield Agent(tmp_path, engine)
    for listed, removal in (
        ("ps --all --quiet", "rm --force"),
        ("volume ls --quiet", "volume rm"),
        ("network ls --quiet --filter type=custom", "network rm"),
        ("images --all --quiet --no-trunc", "rmi --force"),
    ):
        if names := engine.docker(*listed.split()).split():
            engine.docker(*removal.split(), *dict.fromkeys(names))
