"""The journal: what was written is there, what was torn is not, and damage is never read past."""

import errno
import os
from pathlib import Path

import pytest

from agent.applying import journal as journals
from agent.applying.journal import (
    Began,
    Closed,
    Did,
    Entered,
    Journal,
    Resumed,
    begin_journal,
    open_journal,
    read_course,
)
from agent.history import Undertaking
from agent.steps import Phase
from bundle_format.errors import LockedError
from tests.sites import FakeSite


@pytest.fixture
def undertaking(tmp_path: Path) -> Undertaking:
    site = FakeSite(tmp_path)
    wanted = site.deployment(images={"web": site.image("web")}, containers={"web": {}})
    return site.undertaking(wanted, site.plan(wanted))


@pytest.fixture
def journal(tmp_path: Path, undertaking: Undertaking) -> Journal:
    journal = begin_journal(tmp_path / "journal", undertaking)
    for record in (Entered(phase=Phase.SWITCH, at=7), Began(step=0), Did(step=0, result="x"), Began(step=1)):
        journal.write(record)
    return journal


def test_it_tells_how_far_an_undertaking_came(journal: Journal, tmp_path: Path, undertaking: Undertaking) -> None:
    again = open_journal(tmp_path / "journal")
    assert again
    again.write(Resumed())

    assert again.course.undertaking == undertaking
    assert (again.course.phase, again.course.phases) == (Phase.SWITCH, {Phase.SWITCH: 7})
    assert (again.course.began, again.course.did) == ({0, 1}, {0: "x"})
    assert again.course.attempts == 1
    assert read_course(tmp_path / "journal") == again.course


def test_there_is_none_before_the_first(tmp_path: Path) -> None:
    assert open_journal(tmp_path / "journal") is None
    assert read_course(tmp_path / "journal") is None


def test_a_torn_tail_is_dropped_at_every_length_and_written_over(journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    whole = path.read_bytes()
    journal.write(Did(step=1))
    longer = path.read_bytes()
    for size in range(len(whole), len(longer)):
        path.write_bytes(longer[:size])
        again = open_journal(path)
        assert again
        assert again.course.did == {0: "x"}
        again.write(Closed(outcome="done"))
        course = read_course(path)
        assert course
        assert (course.did, course.outcome) == ({0: "x"}, "done")


def test_damage_before_the_last_record_is_told_and_never_read_past(journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    whole = path.read_bytes()
    last = whole.rindex(b'{"kind":"began"') - 8
    for offset in range(0, last, 7):
        spoilt = bytearray(whole)
        spoilt[offset] ^= 1
        path.write_bytes(spoilt)
        with pytest.raises(LockedError, match="damaged"):
            open_journal(path)
        assert path.read_bytes() == spoilt


def test_threat_28_a_record_that_the_disk_does_not_take_leaves_no_half(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = journals._write_all

    def full(descriptor: int, content: bytes) -> None:
        os.write(descriptor, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journals, "_write_all", full)
    with pytest.raises(LockedError, match="No space left"):
        journal.write(Did(step=1))
    monkeypatch.setattr(journals, "_write_all", write)
    journal.write(Closed(outcome="taken back"))

    course = read_course(tmp_path / "journal")
    assert course
    assert (course.did, course.outcome) == ({0: "x"}, "taken back")


@pytest.mark.skipif(os.name == "nt", reason="access lists guard it there")
def test_threat_37_a_journal_that_others_can_write_or_replace_is_refused(journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.chmod(0o666)
    with pytest.raises(Exception, match="open to others"):
        open_journal(path)
    path.chmod(0o600)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Exception, match=r"reached|link"):
        open_journal(path)
