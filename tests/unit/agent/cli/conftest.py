"""A site with an engine in memory, and the agent as a person runs it there."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bundle_format.release.model import Parameter
from tests.fakes import FakeDaemon
from tests.sites import FakeSite
from tests.verbs import run, sign_release, verbs_on

SECRET = "correct-horse-battery"
SITE = """site = "krakow-1"
[params]
password = { file = "password" }
[hosts.server]
engine = "unix:///-"
"""


@dataclass(frozen=True)
class Agent:
    """The agent on a site with one host."""

    folder: Path
    site: FakeSite
    capsys: pytest.CaptureFixture[str]

    @property
    def daemon(self) -> FakeDaemon:
        """The engine of its host."""
        return self.site.daemons["server"]

    def run(self, *words: object, code: int = 0) -> str:
        """Run it to its end; what it said, results first."""
        ended = run(self.site, *words)
        out, err = self.capsys.readouterr()
        assert ended == code, f"exit code {ended}\n{out}\n{err}"
        return out if "--json" in words else out + err

    def bundle(self, version: str = "1", sequence: int = 1, **front: Any) -> Path:
        """A bundle of a front that needs an app, which needs a database that a task migrates before."""
        parameters = {"password": Parameter(type="secret")}
        return sign_release(self.folder, version, sequence, _objects(front), parameters)


def _objects(front: Mapping[str, Any]) -> dict[str, Any]:
    placed = {"host": "server", "image": "web"}
    mig = {**placed, "restart": "no", "command": ["true"], "after": ["db"]}
    env = {"PASSWORD": {"$param": "password"}}
    return {
        "host": {"server": {}},
        "container": {
            "front": {**placed, "after": ["app"], "env": env, "stop_grace": 1, **front},
            "app": {**placed, "after": ["mig"], "stop_grace": 1},
            "db": {**placed, "stop_grace": 1},
        },
        "task": {"mig": {"container": mig}},
    }


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Agent]:
    """A site whose makers are enrolled, and on which nothing runs yet."""
    (tmp_path / "site.toml").write_text(SITE, encoding="utf-8")
    (tmp_path / "password").write_text(SECRET + "\n", encoding="utf-8")
    site = FakeSite(tmp_path, "server")
    site.clock.now = time.time()
    with verbs_on(site, tmp_path):
        yield Agent(tmp_path, site, capsys)


@pytest.fixture
def running(shop: Agent) -> Agent:
    """The same with the shop's first version running."""
    shop.run("apply", shop.bundle(), "--yes")
    return shop
