"""The agent's verbs on a site of engines in memory: bundles as the makers sign them, a site's file, and exit codes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.applying.means import Stop
from agent.cli import site as sites
from agent.cli.changes import carrying
from agent.cli.main import DESCRIPTION, VERBS
from agent.floor import FLOOR
from agent.labels import Owner
from agent.targets.engine import Engine
from bundle_format.release.deployment import Host
from bundle_format.release.model import Parameter, Release, Variant
from bundle_format.store import Store
from bundle_format.terminal import run_program
from bundle_format.trust.state import TrustFolder
from tests.bundles import ISSUED, Shelved, root_document, sign_and_write
from tests.fakes import FakeClock
from tests.images import layer, make_image
from tests.sites import FakeSite


@contextmanager
def site_with_verbs(root: Path) -> Iterator[FakeSite]:
    """A site in `root` with one host, on which the verbs act."""
    write_site(root)
    with verbs_on(FakeSite(root), root) as site:
        yield site


@contextmanager
def verbs_on(site: FakeSite, root: Path) -> Iterator[FakeSite]:
    """Let the verbs act on the engines of a site, whose makers are enrolled; `root` is the folder that they run in."""

    def connected(host: Host, _: Owner) -> Engine | str:
        return site.engine(host)

    def clock(_: Stop) -> FakeClock:
        return site.clock

    TrustFolder(site.folder.root, FLOOR).change(lambda trust: trust.enrol(root_document("acme"), clock=ISSUED))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sites, "connected", connected)
        patch.setattr(carrying, "WallClock", clock)
        patch.chdir(root)
        yield site


def run(site: FakeSite, *words: object) -> int:
    """The exit code of a verb."""
    given = [*map(str, words), "--state", str(site.folder.root)]
    return run_program("floto-agent", "0", DESCRIPTION, VERBS, given)


def write_site(root: Path, greeting: str = "welcome") -> None:
    """Write `site.toml`."""
    lines = ('site = "krakow-1"', "[params]", f'greeting = "{greeting}"', "[hosts.one]", 'engine = "unix:///-"')
    (root / "site.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def make_release(root: Path, version: str, sequence: int, *, task: str = "true", **web: Any) -> Path:
    """A signed bundle of a container that greets, with a volume, and of a task that runs before it; its path."""
    data = [{"kind": "volume", "volume": "data", "path": "/data"}]
    container = {
        "host": "one", "image": "web", "command": ["sleep", "inf"], "mounts": data, "after": ["migrate"],
        "env": {"GREETING": {"$param": "greeting"}}, **web,
    }  # fmt: skip
    migrate = {"host": "one", "image": "web", "command": ["sh", "-c", task], "mounts": data, "restart": "no"}
    objects = {
        "host": {"one": {}},
        "volume": {"data": {}},
        "container": {"web": container},
        "task": {"migrate": {"container": migrate}},
    }
    return sign_release(root, version, sequence, objects, {"greeting": Parameter(type="string")})


def sign_release(
    root: Path, version: str, sequence: int, objects: dict[str, Any], parameters: dict[str, Parameter]
) -> Path:
    """A signed bundle in `root` of objects that have the image `web`; its path."""
    store = Store(root / "makers-store", threads=1)
    content = layer({"app/web": version.encode()})
    release = Release(
        product="shop",
        version=version,
        evaluator="test",
        sources={"site.star": store.add_bytes(b'project("shop")\n').digest},
        parameters=parameters,
        images={"web": make_image(Shelved(store), f"shop/web:{version}", [content], Cmd=["sleep", "inf"])},
        variants=(Variant(when={}, objects=objects),),
    )
    return sign_and_write(root / f"shop-{version}-{sequence}.floto", release, store, sequence)
