"""Bundles that are genuine and yet not for this site, this agent or this moment; and keys that change on the way."""

from pathlib import Path

import pytest

from bundle_format.errors import ExitCode
from tests.integration.chain.conftest import Home, Site

pytestmark = pytest.mark.engine

ISSUED = 1_700_000_000
DAY = 86_400


@pytest.fixture
def owners(home: Home, tmp_path: Path) -> Home:
    """The makers once more, in a folder of their own, so that they can change their keys."""
    folder = tmp_path / "owners"
    (folder / "keys").mkdir(parents=True)
    for path in (home.folder / "keys").iterdir():
        (folder / "keys" / path.name).write_bytes(path.read_bytes())
        (folder / "keys" / path.name).chmod(path.stat().st_mode & 0o777)
    return Home(folder)


def refused(site: Site, bundle: Path, *reasons: str) -> None:
    """Neither planned nor applied; nothing is staged, nothing runs."""
    before = site.stored(), site.running()
    for verb in (("plan",), ("preflight",), ("apply", "--yes")):
        said = site.agent(verb[0], bundle, *verb[1:], code=ExitCode.NOT_TRUSTED)
        assert all(reason in said for reason in reasons), said
    assert (site.stored(), site.running()) == before


def test_threat_12_a_bundle_for_another_site_is_refused_before_staging(home: Home, site: Site) -> None:
    refused(site, home.build("brno", 3, "--only-for", "brno"), "it is for brno, and this is krakow-1")


def test_threat_12_a_bundle_for_another_processor_is_refused_before_staging(home: Home, site: Site) -> None:
    bundle = home.build("arm", 3, platform="linux/arm64")
    for verb in (("plan",), ("apply", "--yes")):
        said = site.agent(verb[0], bundle, *verb[1:], code=ExitCode.PREFLIGHT)
        assert "image shop/app:arm is for arm64, the engine runs amd64" in said
    assert (site.stored(), site.running()) == (set(), {})


def test_threat_12_an_old_agent_refuses_and_still_verifies(site: Site, first: Path) -> None:
    for verb in (("inspect",), ("plan",), ("apply", "--yes")):
        said = site.agent(verb[0], first, *verb[1:], version="0.0.9", code=ExitCode.PREFLIGHT)
        assert "shop 1 needs agent 0.1.0 or newer; this is 0.0.9" in said
    site.agent("verify", first, version="0.0.9")
    assert (site.stored(), site.running()) == (set(), {})


def test_threat_08_an_older_release_and_another_of_the_same_number_are_refused(
    home: Home, site: Site, first: Path, second: Path
) -> None:
    site.agent("apply", second, "--yes")
    refused(site, first, "its sequence is 1, and this site took 2 already")
    refused(site, home.build("3", 2), "another bundle with sequence 2 was taken before", "commit before the build")
    assert site.running() == {"front": "shop/app:2"}


def test_threat_10_the_age_of_a_release_is_told_wherever_it_is_looked_at(home: Home, site: Site, first: Path) -> None:
    later = ISSUED + 400 * DAY
    for verb in (("verify",), ("inspect",), ("plan",), ("preflight",), ("apply", "--yes")):
        assert "400 days old" in site.agent(verb[0], first, *verb[1:], clock=later)
    expiring = home.build("5", 5, "--expires", "2023-12-31")
    said = site.agent("plan", expiring, clock=later, code=ExitCode.NOT_TRUSTED)
    assert "the bundle expired on 2023-12-31" in said
    site.agent("apply", expiring, "--yes", clock=ISSUED + 5 * DAY)


def test_threat_06_a_bundle_brings_the_keys_that_follow(owners: Home, site: Site, first: Path) -> None:
    site.agent("apply", first, "--yes")
    owners.floto("keygen", "zoe", "--key-only", "--no-passphrase")
    named = owners.folder / "keys" / "root.toml"
    text = named.read_text("utf-8").replace('"shop.pub"', '"shop.pub"\nzoe = "zoe.pub"')
    named.write_text(text.replace('release = { keys = ["shop"]', 'release = { keys = ["zoe"]'), encoding="utf-8")
    said = owners.floto("root", "--key", "keys/shop.key")
    assert "root document 2 of shop" in said and "complete" in said
    stolen = owners.folder / "keys" / "shop.key"

    rotated = owners.build("2", 2, "--key", owners.folder / "keys" / "zoe.key")

    assert "signed by zoe" in site.agent("apply", rotated, "--yes")
    assert "root 2" in site.agent("trust", "show")
    (owners.folder / "keys" / "root-2.floto-root").unlink()
    named.write_text(named.read_text("utf-8").replace('"zoe"]', '"shop"]'), encoding="utf-8")
    refused(site, owners.build("3", 3, "--key", stolen))
    assert site.running() == {"front": "shop/app:2"}
