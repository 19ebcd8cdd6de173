"""A damaged receipt stands in the way of nothing that does without it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle_format.errors import ExitCode
from tests.sites import FakeSite
from tests.verbs import make_release, run, site_with_verbs

LOOKING = [("status",), ("history",), ("receipt",), ("logs",), ("plan", "shop-3-3.floto")]
CHANGING = [
    ("restart", "web"),
    ("redeploy", "web", "--yes"),
    ("backup", "data", "--to", "data.tar"),
    ("rollback", "--yes"),
    ("apply", "shop-4-4.floto", "--yes"),
]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[FakeSite]:
    """A site that has run three versions."""
    with site_with_verbs(tmp_path) as site:
        for number in (1, 2, 3):
            assert run(site, "apply", make_release(tmp_path, str(number), number), "--yes") == ExitCode.DONE
        make_release(tmp_path, "4", 4)
        yield site


def damage(site: FakeSite, number: int) -> Path:
    path = site.folder.receipts / f"{number:06d}.json"
    path.write_text("garbage", encoding="utf-8")
    return path


@pytest.mark.parametrize("words", [*LOOKING, *CHANGING], ids=lambda words: words[0])
def test_an_old_one_is_left_out(site: FakeSite, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    path = damage(site, 1)
    capsys.readouterr()

    assert run(site, *words) == ExitCode.DONE

    if words[0] not in ("logs", "restart", "backup"):
        assert f"a receipt is damaged, and left out: {path}" in capsys.readouterr().err


@pytest.mark.parametrize("words", LOOKING, ids=lambda words: words[0])
def test_without_the_newest_the_site_is_looked_at(
    site: FakeSite, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    path = damage(site, 3)
    capsys.readouterr()

    assert run(site, *words) in (ExitCode.DONE, ExitCode.DRIFT)

    if words[0] != "logs":
        assert f"nothing is changed before it is moved away: {path}" in capsys.readouterr().err


@pytest.mark.parametrize("words", CHANGING, ids=lambda words: words[0])
def test_without_the_newest_nothing_is_changed(
    site: FakeSite, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    damage(site, 3)
    before = site.folder.journal.read_bytes(), site.running()

    assert run(site, *words) == ExitCode.LOCKED

    assert "a receipt is damaged that may be of what runs here" in capsys.readouterr().err
    assert (site.folder.journal.read_bytes(), site.running()) == before


def test_the_bundle_of_what_runs_makes_a_new_receipt(site: FakeSite, capsys: pytest.CaptureFixture[str]) -> None:
    path = damage(site, 3)
    path.rename(path.with_suffix(".damaged"))

    assert run(site, "apply", "shop-3-3.floto", "--yes") == ExitCode.DONE

    capsys.readouterr()
    assert run(site, "history") == run(site, "status") == ExitCode.DONE
    told = capsys.readouterr()
    assert "done, runs now" in told.out and told.err == ""


@pytest.mark.parametrize(("numbers", "words"), [([2], ["1"]), ([2], ["1.5"]), ([1, 2], [])])
def test_nothing_goes_back_beyond_one_that_may_tell_of_backups(
    site: FakeSite, numbers: list[int], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for number in numbers:
        damage(site, number)
    before = site.running()

    assert run(site, "rollback", *words, "--yes") == ExitCode.LOCKED

    assert "may tell of what ran or of volumes to set back" in capsys.readouterr().err
    assert site.running() == before
