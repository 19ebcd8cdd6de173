"""What is installed, read back and compared with what was signed."""

from pathlib import Path

import pytest

from agent.installed import Fault, find_faults, require_whole, take_away
from agent.planning.view import View
from agent.steps import Plan
from bundle_format.digest import digest_of
from bundle_format.errors import MissingError
from bundle_format.progress import Silence
from bundle_format.release.deployment import Deployment
from tests.sites import FakeSite


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    site = FakeSite(tmp_path)
    site.apply(shop(site))
    return site


def shop(site: FakeSite) -> Deployment:
    page = {"path": "/etc/page", "content": b"hello\n", "digest": digest_of(b"hello\n")}
    containers = {"web": {"files": [page]}, "db": {"mounts": [{"kind": "volume", "volume": "data", "path": "/data"}]}}
    images = {"web": site.image("web"), "db": site.image("db")}
    tasks = {"seed": {"container": {"image": "db", "command": ["true"]}}}
    return site.deployment(images=images, volumes={"data": {}}, containers=containers, tasks=tasks)


def faults(site: FakeSite) -> list[Fault]:
    return list(find_faults(View(shop(site), site.observe(shop(site)), site.history), site.engines(), Silence()))


def test_a_site_on_which_nobody_laid_hands_has_no_faults(site: FakeSite) -> None:
    assert faults(site) == []


def test_edited_and_missing_files_are_found(site: FakeSite) -> None:
    web = site.daemons["one"].find("web")
    assert web
    web.files["/etc/page"] = b"hacked\n"
    assert [fault.message for fault in faults(site)] == ["web: file /etc/page was edited by hand"]
    del web.files["/etc/page"]
    assert [fault.message for fault in faults(site)] == ["web: file /etc/page is missing"]


def test_threat_23_a_damaged_image_is_found_and_what_stood_on_it_comes_back_with_its_data(site: FakeSite) -> None:
    daemon = site.daemons["one"]
    daemon.volumes["data"].files["rows"] = b"7"
    damaged = daemon.images[shop(site).images["db"].config]
    damaged.damaged = True
    (fault,) = faults(site)
    assert (fault.message, fault.containers) == ("image shop/db:1 is damaged", ("db",))

    view = View(shop(site), site.observe(shop(site)), site.history)
    take_away(fault, view, site.engines()["one"])
    assert damaged.id not in daemon.images

    site.apply(shop(site))
    assert faults(site) == []
    assert site.plan(shop(site)) == Plan()
    assert site.names() == {"web", "db"}, "a task that has run is not run again"
    assert daemon.volumes["data"].files["rows"] == b"7"


def test_a_damaged_image_stays_where_the_store_cannot_give_it_back(site: FakeSite) -> None:
    image = shop(site).images["db"]
    site.daemons["one"].images[image.config].damaged = True
    found, view = faults(site), View(shop(site), site.observe(shop(site)), site.history)
    require_whole(found, view, site.store)

    (layer,) = site.store.root.rglob(image.layers[0].removeprefix("sha256:"))
    layer.write_bytes(b"rot" + layer.read_bytes()[3:])
    with pytest.raises(MissingError, match=image.layers[0]):
        require_whole(found, view, site.store)
