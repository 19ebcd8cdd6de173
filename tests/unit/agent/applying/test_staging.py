"""Images that are loaded while others are still being staged."""

import time
from pathlib import Path

import pytest

from agent.applying.journal import read_course
from agent.stage import Arriving
from bundle_format.digest import digest_of
from bundle_format.errors import DamageError, MissingError, RolledBackError
from bundle_format.release.deployment import Deployment
from bundle_format.release.model import Image
from bundle_format.store import Store
from tests.bundles import Shelved
from tests.fakes import Moment
from tests.images import layer, make_image
from tests.sites import FakeSite


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    return FakeSite(tmp_path)


@pytest.fixture
def makers(tmp_path: Path) -> Store:
    return Store(tmp_path / "makers", threads=1)


def image(makers: Store, name: str) -> Image:
    return make_image(Shelved(makers), f"shop/{name}:1", [layer({name: name.encode()})], Cmd=["sleep", "inf"])


def bring(site: FakeSite, makers: Store, image: Image) -> None:
    for digest in (*image.layers, image.config, image.manifest):
        site.store.add_bytes(makers.read_bytes(digest))


def two(site: FakeSite, makers: Store) -> Deployment:
    images = {name: image(makers, name) for name in ("db", "web")}
    return site.deployment(images=images, containers={"db": {}, "web": {}})


def wait_for_load(site: FakeSite, image: Image) -> None:
    end = time.monotonic() + 60
    while image.config not in site.daemons["one"].images:
        assert time.monotonic() < end, "nothing was loaded before all was staged"
        time.sleep(0.01)


def test_an_image_is_loaded_before_the_next_one_is_there(site: FakeSite, makers: Store) -> None:
    wanted = two(site, makers)

    def stage() -> None:
        bring(site, makers, wanted.images["db"])
        wait_for_load(site, wanted.images["db"])
        assert site.names() == set()
        bring(site, makers, wanted.images["web"])

    receipt = site.apply(wanted, stage=stage)

    assert receipt
    assert receipt.outcome == "done"
    assert list(receipt.phases)[:3] == ["stage", "load", "prepare"]
    assert set(site.running()) == {"db", "web"}


def test_a_bundle_that_turns_out_damaged_keeps_its_fault_though_images_were_loaded(
    site: FakeSite, makers: Store
) -> None:
    wanted = two(site, makers)

    def stage() -> None:
        bring(site, makers, wanted.images["db"])
        wait_for_load(site, wanted.images["db"])
        raise DamageError("the bundle is damaged")

    with pytest.raises(DamageError, match="the bundle is damaged"):
        site.apply(wanted, stage=stage)

    assert site.names() == set()
    course = read_course(site.folder.journal)
    assert course
    assert course.outcome == "taken back"


def test_an_engine_that_refuses_is_told_once_all_is_staged(site: FakeSite, makers: Store) -> None:
    wanted = two(site, makers)

    def refuse(moment: Moment) -> None:
        if moment.verb == "load_images":
            raise MissingError("one: the engine has no room")

    def stage() -> None:
        for one in wanted.images.values():
            bring(site, makers, one)

    with pytest.raises(RolledBackError, match="no room\\ntaken back: nothing that runs was touched"):
        site.apply(wanted, hook=refuse, stage=stage)
    assert all(one.config in site.store for one in wanted.images.values())


def test_what_never_comes_is_missing_and_not_waited_for_for_ever(site: FakeSite) -> None:
    arriving = Arriving(site.store)
    arriving.close()
    with pytest.raises(MissingError):
        arriving.size(digest_of(b"never"))
