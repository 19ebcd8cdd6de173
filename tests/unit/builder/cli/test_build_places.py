"""What `build` refuses before it gathers anything: keys, places and bases that cannot be meant."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.cli.main import VERBS
from bundle_format.countersign import read_unjudged
from bundle_format.errors import ExitCode
from bundle_format.terminal import run_program

Build = Callable[..., str]

DEFINITION = """project("{name}", version = "1")
server = host("server", address = "10.0.0.1")
container("app", image = image("app", files = {{"/srv": folder("www")}}, cmd = ["/srv/run"]), host = server)
"""


@pytest.fixture
def floto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Build:
    """Run a verb in a folder with the keys of two products; returns its errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLOTO_STORE", str(tmp_path / "store"))

    def run(*words: str, code: int = 0) -> str:
        ended = run_program("floto-builder", "test", "", VERBS, words)
        err = capsys.readouterr().err
        assert ended == code, err
        return err

    for name in ("shop", "pear"):
        Path(name, "www").mkdir(parents=True)
        Path(name, "site.star").write_text(DEFINITION.format(name=name), encoding="utf-8")
        Path(name, "www", "run").write_text("1", encoding="utf-8")
        run("keygen", name, "--no-passphrase", "--into", f"{name}-keys")
    return run


def build(floto: Build, *options: str, name: str = "shop", code: int = 0) -> str:
    return floto("build", name, "--key", f"{name}-keys/{name}.key", "--sequence", "1", *options, code=code)


def test_a_key_that_is_not_there_is_named(floto: Build) -> None:
    assert "keys/shop.key: no such key" in floto("build", "shop", "--key", "keys/shop.key", code=ExitCode.MISSING)


def test_a_key_counts_once_under_whatever_name_it_is_given(floto: Build) -> None:
    copy = shutil.copy("shop-keys/shop.key", "copy.key")
    for again in ("shop-keys/shop.key", copy):
        assert f"--key {again}: this key was given before" in build(floto, "--key", again, code=ExitCode.USAGE)
    assert not Path("store").exists()


def test_of_several_keys_the_one_that_may_not_sign_is_named(floto: Build) -> None:
    said = build(floto, "--key", "pear-keys/pear.key", code=ExitCode.USAGE)
    assert "pear-keys/pear.key is none of the keys that sign releases of shop: shop" in said


PLACES = (".", "shop", "nowhere/x.floto", "shop/site.star/x.floto", "shop/site.star", "shop-keys/shop.key")


@pytest.mark.parametrize("place", PLACES)
def test_a_place_where_no_bundle_can_be_is_told_before_anything_is_gathered(floto: Build, place: str) -> None:
    assert f"{place} cannot be written" in build(floto, "--output", place, code=ExitCode.USAGE)
    assert not Path("store").exists()


@pytest.mark.parametrize("place", ["shop/site.star", "shop/site.star/store"])
def test_a_store_that_cannot_be_made_is_told_before_anything_is_gathered(floto: Build, place: str) -> None:
    said = build(floto, "--store", place, code=ExitCode.USAGE)
    assert f"no store can be made at {Path(place).absolute()}: " in said and "hint: Name a folder" in said


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("[revoked]", '[revoked]\n"{digest}" = "loses orders"', "the makers revoked the bundle: loses orders"),
        ('"stable" = 0', '"stable" = 2', "the lowest that counts is 2"),
    ],
)
def test_what_the_makers_took_back_is_not_built_again(floto: Build, before: str, after: str, complaint: str) -> None:
    build(floto)
    digest = read_unjudged(Path("shop-1.floto")).page.index_digest
    owners = Path("shop-keys/root.toml")
    owners.write_text(owners.read_text("utf-8").replace(before, after.format(digest=digest)), "utf-8")
    floto("root", "shop-keys", "--key", "shop-keys/shop.key")
    # The index does not name the root documents, so that its digest is the same once more.
    assert complaint in build(floto, "--output", "again.floto", code=ExitCode.USAGE)
    assert not Path("again.floto").exists()
    build(floto, "--output", "again.floto", "--sequence", "3")


def test_a_base_is_never_written_over(floto: Build) -> None:
    build(floto)
    whole = Path("shop-1.floto").read_bytes()
    assert "Raise the version" in build(floto, "--base", "shop-1.floto", code=ExitCode.USAGE)
    build(floto, "--base", "shop/../shop-1.floto", "--output", "shop-1.floto", code=ExitCode.USAGE)
    assert Path("shop-1.floto").read_bytes() == whole


def test_a_base_that_does_not_fit_is_named(floto: Build) -> None:
    build(floto, name="pear")
    assert "--base pear-1.floto: " in build(floto, "--base", "pear-1.floto", code=ExitCode.NOT_TRUSTED)
    Path("torn.floto").write_bytes(Path("pear-1.floto").read_bytes()[:1000])
    assert "--base torn.floto: " in build(floto, "--base", "torn.floto", code=ExitCode.DAMAGED)
