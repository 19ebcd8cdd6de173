"""How `resume` and `abort` end, as scripts see it."""

import os
from pathlib import Path

import pytest

from agent.applying.journal import Closed, Entered, Record, begin_journal
from agent.cli.main import DESCRIPTION, VERBS
from agent.steps import Phase
from bundle_format.errors import ExitCode
from bundle_format.terminal import run_program
from tests.sites import FakeSite


def run(site: FakeSite, *words: str) -> int:
    return run_program("floto-agent", "0", DESCRIPTION, VERBS, [*words, "--state", str(site.folder.root)])


def left_amid_its_first_apply(root: Path, last: Record) -> FakeSite:
    """A site whose journal ends with a record."""
    site = FakeSite(root)
    deployment = site.deployment(images={"web": site.image("web")}, containers={"web": {}})
    begin_journal(site.folder.journal, site.undertaking(deployment, site.plan(deployment))).write(last)
    return site


@pytest.mark.parametrize(
    ("phase", "verb", "code"),
    [
        (Phase.STAGE, "resume", ExitCode.ROLLED_BACK),
        (Phase.STAGE, "abort", ExitCode.DONE),
        (Phase.TIDY, "abort", ExitCode.USAGE),
    ],
)
def test_a_script_learns_what_became_of_an_interrupted_change(
    tmp_path: Path, phase: Phase, verb: str, code: ExitCode
) -> None:
    site = left_amid_its_first_apply(tmp_path, Entered(phase=phase, at=0))

    assert run(site, verb, *(["--yes"] if verb == "abort" else [])) == code


def test_the_first_apply_of_a_site_is_told_of_while_it_lasts_and_where_it_was_interrupted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = left_amid_its_first_apply(tmp_path, Entered(phase=Phase.SWITCH, at=0))

    with site.folder.held():
        assert run(site, "status") == ExitCode.USAGE
        assert run(site, "history") == ExitCode.DONE
    told = f"the apply of 2024.1 is in phase switch, and process {os.getpid()} holds the site"
    assert capsys.readouterr().err.count(told) == 2

    assert run(site, "status") == ExitCode.USAGE
    told = capsys.readouterr().err
    assert "the apply of 2024.1 was interrupted in phase switch" in told and "floto-agent resume" in told


def test_where_nothing_was_interrupted_nothing_is_wrong(tmp_path: Path) -> None:
    assert run(FakeSite(tmp_path), "resume") == ExitCode.DONE

    site = left_amid_its_first_apply(tmp_path, Closed(outcome="taken back"))
    assert run(site, "resume") == run(site, "abort", "--yes") == ExitCode.DONE


def test_no_machine_goes_back_to_a_snapshot_that_was_never_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = left_amid_its_first_apply(tmp_path, Entered(phase=Phase.SWITCH, at=0))

    assert run(site, "abort", "--yes", "--revert", "one") == ExitCode.USAGE

    assert "no snapshot was taken before the update on one; nothing was changed" in capsys.readouterr().err
