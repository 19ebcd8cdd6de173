"""A release that was left and runs again is one that its site takes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle_format.errors import ExitCode
from tests.sites import FakeSite
from tests.verbs import make_release, run, site_with_verbs, write_site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[FakeSite]:
    with site_with_verbs(tmp_path) as site:
        yield site


def test_threat_08_what_runs_after_a_rollback_takes_a_change_of_the_site_s_file_and_nothing_else_that_is_old(
    site: FakeSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, between, two = (make_release(tmp_path, version, n) for version, n in (("1", 2), ("1.5", 3), ("2", 4)))
    for bundle in (one, two):
        assert run(site, "apply", bundle, "--yes") == ExitCode.DONE
    assert run(site, "plan", one) == ExitCode.NOT_TRUSTED
    assert run(site, "rollback", "1", "--yes") == ExitCode.DONE
    write_site(tmp_path, "hello")
    capsys.readouterr()

    assert run(site, "preflight", one) == run(site, "plan", one) == run(site, "apply", one, "--yes") == ExitCode.DONE

    assert "replace web: env GREETING" in capsys.readouterr().out
    (tmp_path / "forged").mkdir()
    for older in (between, make_release(tmp_path / "forged", "1", 2, task="echo forged")):
        assert run(site, "apply", older, "--yes") == ExitCode.NOT_TRUSTED
    assert run(site, "apply", one, "--yes") == run(site, "apply", two, "--yes") == ExitCode.DONE
    assert run(site, "apply", one, "--yes") == ExitCode.NOT_TRUSTED


def test_threat_09_a_receipt_that_is_taken_away_makes_no_older_bundle_acceptable(
    site: FakeSite, tmp_path: Path
) -> None:
    one, two = make_release(tmp_path, "1", 2), make_release(tmp_path, "2", 4)
    for bundle in (one, two):
        assert run(site, "apply", bundle, "--yes") == ExitCode.DONE

    (site.folder.receipts / "000002.json").unlink()

    assert run(site, "apply", one, "--yes") == ExitCode.NOT_TRUSTED
