"""`floto-agent export inventory`: what a site holds, told at home."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.cli.main import VERBS
from bundle_format.digest import Digest, hex_of
from bundle_format.errors import ExitCode
from bundle_format.inventory import Inventory, fingerprint_of, read_inventory
from bundle_format.release.model import Image
from bundle_format.terminal import run_program
from bundle_format.trust.words import words_of
from tests.sites import FakeSite

Run = Callable[..., str]


@pytest.fixture
def floto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `export inventory` on the state of a FakeSite; what it said. `code` is how it must end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLOTO_STATE", "state")

    def run(*words: str, code: int = 0) -> str:
        ended = run_program("floto-agent", "test", "", VERBS, ("export", "inventory", *words))
        out, err = capsys.readouterr()
        assert ended == code, out + err
        return out + err

    return run


@pytest.fixture
def site(tmp_path: Path) -> FakeSite:
    return FakeSite(tmp_path)


def apply(site: FakeSite, *versions: str) -> list[Image]:
    """Bring these versions onto the site, one after the other; their images."""
    images = []
    for version in versions:
        images.append(site.image("web", version))
        site.apply(site.deployment(version, images={"web": images[-1]}, containers={"web": {}}))
    return images


def inventory(floto: Run) -> Inventory:
    floto("--output", "krakow.inventory")
    return read_inventory(Path("krakow.inventory").read_bytes())[0]


def test_an_inventory_names_the_current_and_the_previous_release(site: FakeSite, floto: Run) -> None:
    oldest, previous, current = apply(site, "1", "2", "3")
    told = inventory(floto)
    assert (told.product, told.site) == ("shop", "krakow-1")
    assert [held.base.release for held in told.releases] == ["3", "2"]
    for held, image in zip(told.releases, (current, previous), strict=True):
        assert {held.definition, image.config, image.manifest, *image.layers} == set(held.base.blobs)
    assert not {oldest.config, *oldest.layers} & {digest for held in told.releases for digest in held.base.blobs}


def test_a_place_where_no_file_can_be_is_told_before_the_site_is_read(floto: Run) -> None:
    assert "cannot be written: it is a folder" in floto("--output", ".", code=ExitCode.USAGE)


def test_what_is_not_whole_is_left_out_and_told(site: FakeSite, floto: Run) -> None:
    (image,) = apply(site, "1")
    rotten, gone = image.layers[0], image.config
    _file(site, gone).unlink()
    content = bytearray(_file(site, rotten).read_bytes())
    content[10] ^= 1
    _file(site, rotten).write_bytes(content)
    told = floto("--output", "krakow.inventory")
    assert f"warning: {rotten} is not whole here" in told and f"warning: {gone} is not whole here" in told
    held = read_inventory(Path("krakow.inventory").read_bytes())[0].releases[0]
    assert not {rotten, gone} & set(held.base.blobs)
    assert held.definition in held.base.blobs


def test_the_site_signs_with_one_key_of_its_own(site: FakeSite, floto: Run) -> None:
    apply(site, "1")
    told = floto("--output", "one.inventory")
    apply(site, "2")
    floto("--output", "two.inventory")
    keys = {read_inventory(Path(name).read_bytes())[1] for name in ("one.inventory", "two.inventory")}
    (key,) = keys
    assert words_of(fingerprint_of(key)) in told
    assert Path("two.inventory").stat().st_size < 4096


def test_without_a_file_it_is_printed(site: FakeSite, floto: Run) -> None:
    apply(site, "1")
    text, _, rest = floto().partition("\n")
    text, _, _ = text.partition("release 1: ")
    assert read_inventory(text.encode())[0].site == "krakow-1"
    assert "signed by this site's own key" in rest


def test_a_site_without_any_release_has_nothing_to_tell(site: FakeSite, floto: Run) -> None:
    assert "nothing was applied on this site yet" in floto("--output", "x.inventory", code=ExitCode.USAGE)
    assert not Path("x.inventory").exists()


def _file(site: FakeSite, digest: Digest) -> Path:
    (path,) = site.store.root.glob(f"blobs/??/{hex_of(digest)}")
    return path
