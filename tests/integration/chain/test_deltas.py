"""Deltas for what a site says it has: made at home from its inventory, refused where something is lacking."""

from pathlib import Path

import pytest

from bundle_format.errors import ExitCode
from tests.integration.chain.conftest import Home, Site

pytestmark = pytest.mark.engine


@pytest.fixture
def delta(home: Home, site: Site, first: Path) -> Path:
    """A bundle of release 2 for the site, which runs release 1 and has written down what it holds."""
    site.agent("apply", first, "--yes")
    said = site.agent("export", "inventory", "--output", "krakow.inventory")
    words = said.partition("signed by this site's own key: ")[2].strip()
    home.write("2")
    path = site.folder / "delta.floto"
    said = home.floto(
        *("build", "project", "--output", path, "--sequence", 2, "--store", "store", "--key", home.key),
        *("--for", site.folder / "krakow.inventory"),
    )
    assert "for site krakow-1" in said and words in said
    return path


def test_an_inventory_makes_a_bundle_of_just_the_difference(site: Site, delta: Path, first: Path) -> None:
    assert (site.folder / "krakow.inventory").stat().st_size < 2048
    assert delta.stat().st_size < first.stat().st_size // 50
    assert "counts on release 1" in site.agent("inspect", delta)
    site.agent("apply", delta, "--yes")
    assert site.running() == {"front": "shop/app:2"}
    jar = site.engine.docker("exec", "front", "sh", "-c", "cat /srv/lib/shop.jar | wc -c")
    assert jar == "9000001"


def test_a_delta_comes_through_a_pipe_and_in_parts(home: Home, site: Site, delta: Path, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    home.floto("split", delta, "--size", "10kB", "--into", parts)
    assert len(list(parts.iterdir())) > 2
    site.agent("plan", parts)
    site.agent("apply", "-", "--yes", stdin=delta.read_bytes())
    assert site.running() == {"front": "shop/app:2"}


def test_threat_39_a_site_whose_base_is_damaged_names_it_and_changes_nothing(
    site: Site, delta: Path, first: Path
) -> None:
    largest = max((site.folder / "state" / "store").glob("blobs/??/*"), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    before = site.stored()
    said = site.agent("apply", delta, "--yes", code=ExitCode.MISSING)
    assert f"sha256:{largest.name} is in release 1, bundle sha256:" in said
    assert "nothing was changed" in said
    assert (site.stored(), site.running()) == (before, {"front": "shop/app:1"})
    assert f"warning: sha256:{largest.name} is not whole here" in site.agent("export", "inventory")
    assert site.agent("inspect", first).count("sha256:") >= 1


def test_a_site_with_another_past_is_told_which_bundle_it_lacks(home: Home, site: Site, first: Path) -> None:
    home.write("2")
    path = site.folder / "delta.floto"
    words = ("build", "project", "--output", path, "--sequence", 2, "--store", "store", "--key", home.key)
    home.floto(*words, "--base", first)
    said = site.agent("apply", path, "--yes", code=ExitCode.MISSING)
    assert "is in release 1, bundle sha256:" in said and "nothing was changed" in said
    assert (site.stored(), site.running()) == (set(), {})
