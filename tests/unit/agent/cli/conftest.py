"""A site with an engine in memory, and the agent as a person runs it there."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.cli import site as sites
from agent.cli.changes import carrying
from agent.cli.main import VERBS
from agent.floor import FLOOR
from agent.labels import Owner
from bundle_format.progress import Silence
from bundle_format.release.deployment import Host
from bundle_format.release.model import Parameter, Release, Variant
from bundle_format.store import Store
from bundle_format.terminal import run_program
from bundle_format.trust.state import TrustFolder
from bundle_format.writer import Heading, types_in, write_bundle
from tests.bundles import ISSUED, Shelved, key, root_document
from tests.fakes import FakeClock, FakeDaemon, FakeEngine
from tests.images import layer, make_image

SECRET = "correct-horse-battery"


@dataclass(frozen=True)
class Agent:
    """The agent on a site with one host."""

    folder: Path
    daemon: FakeDaemon
    capsys: pytest.CaptureFixture[str]

    def run(self, *words: object, code: int = 0) -> str:
        """Run it to its end; what it said, results first."""
        ended = run_program("floto-agent", "test", "", VERBS, tuple(map(str, words)))
        out, err = self.capsys.readouterr()
        assert ended == code, f"exit code {ended}\n{out}\n{err}"
        return out if "--json" in words else out + err

    def bundle(self, version: str = "1", sequence: int = 1, **front: Any) -> Path:
        """A bundle of a front that needs an app, which needs a database that a task migrates before."""
        store = Store(self.folder / "makers-store", threads=1)
        image = make_image(
            Shelved(store), f"shop/web:{version}", [layer({"app": version.encode()})], Cmd=["sleep", "inf"]
        )
        release = Release(
            product="shop",
            version=version,
            evaluator="test",
            sources={"site.star": store.add_bytes(b'project("shop")\n').digest},
            parameters={"password": Parameter(type="secret")},
            images={"web": image},
            variants=(Variant(when={}, objects=_objects(front)),),
        )
        header = Heading(channel="stable", sequence=sequence, issued=ISSUED)
        path = self.folder / f"shop-{version}-{sequence}.floto"
        write_bundle(
            path, release, tuple(types_in(release)), store,
            header=header, signers=[key("acme")], root_chain=[], progress=Silence(),
        )  # fmt: skip
        return path


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
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Agent:
    """A site whose makers are enrolled, and on which nothing runs yet."""
    clock = FakeClock(time.time())
    daemon = FakeDaemon(clock, "server")

    def connected(host: Host, owner: Owner) -> FakeEngine:
        return FakeEngine(daemon, host.name, owner)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLOTO_STATE", "state")
    monkeypatch.setattr(sites, "connected", connected)
    monkeypatch.setattr(carrying, "WallClock", lambda _: clock)
    site = [
        'site = "krakow-1"',
        "[params]",
        'password = { file = "password" }',
        "[hosts.server]",
        'engine = "unix:///-"',
    ]
    (tmp_path / "site.toml").write_text("\n".join(site) + "\n", encoding="utf-8")
    (tmp_path / "password").write_text(SECRET + "\n", encoding="utf-8")
    TrustFolder(tmp_path / "state", FLOOR).change(lambda trust: trust.enrol(root_document("acme"), clock=ISSUED))
    return Agent(tmp_path, daemon, capsys)


@pytest.fixture
def running(shop: Agent) -> Agent:
    """The same with the shop's first version running."""
    shop.run("apply", shop.bundle(), "--yes")
    return shop
