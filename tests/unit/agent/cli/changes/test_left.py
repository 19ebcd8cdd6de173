"""A change that failed and was to be left for a person: who may go on with it, and what the others say."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle_format.errors import ExitCode
from tests.sites import FakeSite
from tests.verbs import make_release, run, site_with_verbs

RESUMES = 7
"""More than an agent would take up by itself."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[FakeSite]:
    """A site on which version 1 runs, and the migration of version 2 ended with 3."""
    with site_with_verbs(tmp_path) as site:
        assert run(site, "apply", make_release(tmp_path, "1", 1), "--yes") == ExitCode.DONE
        failing = make_release(tmp_path, "2", 2, task="exit 3")
        assert run(site, "apply", failing, "--yes", "--on-failure", "stop") == ExitCode.NEEDS_PERSON
        yield site


@pytest.mark.parametrize(
    "words",
    [
        ("apply", "shop-1-1.floto", "--yes"),
        ("rollback", "--yes"),
        ("redeploy", "web", "--yes"),
        ("restart", "web"),
        ("stop", "web"),
        ("backup", "data", "--to", "data.tar"),
        ("verify", "--installed", "--repair", "--yes"),
        ("resume", "--unattended"),
    ],
    ids=lambda words: words[0],
)
def test_no_other_verb_goes_on_with_it(
    site: FakeSite, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    before = site.folder.journal.read_bytes(), site.running()
    capsys.readouterr()

    assert run(site, *words) == ExitCode.PREFLIGHT

    told = capsys.readouterr().err
    assert "the apply of 2 failed in phase switch and is left so since 20" in told
    assert "floto-agent resume" in told and "floto-agent abort" in told
    assert (site.folder.journal.read_bytes(), site.running()) == before


def test_no_boot_goes_on_with_it(site: FakeSite, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()

    assert run(site, "unit") == ExitCode.DONE

    assert " resume --unattended --state " in capsys.readouterr().out


def test_it_is_looked_at_as_ever(site: FakeSite, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()

    assert run(site, "status") == ExitCode.DRIFT
    told = capsys.readouterr().out
    assert "left for a person: apply in phase switch, since 20" in told
    assert "forward: floto-agent resume, back: floto-agent abort" in told

    assert run(site, "plan", "shop-2-2.floto") == ExitCode.DONE
    assert "before it has ended nothing is applied: floto-agent resume, or floto-agent abort" in capsys.readouterr().out
    assert run(site, "history") == ExitCode.DONE


def test_a_person_may_go_on_as_often_as_it_takes_and_back_at_last(
    site: FakeSite, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(RESUMES):
        capsys.readouterr()
        assert run(site, "resume") == ExitCode.NEEDS_PERSON
        told = capsys.readouterr().err
        assert "apply of shop 2 was left for a person in phase switch; ending it" in told
        assert "task migrate ended with exit code 3" in told

    assert run(site, "abort", "--yes") == ExitCode.DONE
    assert "ending it" not in capsys.readouterr().err
    assert run(site, "receipt") == ExitCode.DONE
    assert capsys.readouterr().out.count("task migrate ended with exit code 3") == 1
    assert run(site, "restart", "web") == run(site, "status") == ExitCode.DONE
