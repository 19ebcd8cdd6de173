"""Work is done in order, side by side where it may be, and called off as a whole."""

import threading
import time
from collections.abc import Sequence

import pytest

from builder.work.schedule import CalledOff, Off, Schedule
from bundle_format.errors import DamageError, DefinitionError, FlotoError
from bundle_format.progress import Silence


def no_lane(_: str) -> None:
    return None


def test_everything_is_done_once_after_what_it_needs() -> None:
    needs = {"d": ["b", "c"], "c": ["a"], "b": ["a"], "a": [], "e": []}
    done: list[str] = []
    Schedule(needs, no_lane).run(done.extend, 3, Off())
    assert sorted(done) == sorted(needs)
    assert all(done.index(first) < done.index(last) for last, firsts in needs.items() for first in firsts)


def test_what_does_not_depend_on_each_other_is_done_at_once() -> None:
    meeting = threading.Barrier(3, timeout=10)
    Schedule({"a": [], "b": [], "c": []}, no_lane).run(lambda _: meeting.wait() and None, 3, Off())


def test_a_lane_takes_all_that_is_ready_for_it_together() -> None:
    batches: list[list[str]] = []
    needs: dict[str, list[str]] = {"x1": [], "x2": [], "other": [], "x3": ["other"], "x4": ["x1"]}

    def work(names: Sequence[str]) -> None:
        if names[0].startswith("x"):
            batches.append(sorted(names))
            time.sleep(0.1)

    Schedule(needs, lambda name: "lane" if name.startswith("x") else None).run(work, 4, Off())
    assert batches == [["x1", "x2"], ["x3", "x4"]]


def test_all_errors_are_told_and_the_rest_is_called_off() -> None:
    ended: list[str] = []
    meeting = threading.Barrier(3, timeout=10)
    off = Off()

    def work(names: Sequence[str]) -> None:
        meeting.wait()
        if names == ["slow"]:
            try:
                with off.heard_by(Silence()).task("slow") as task:
                    while True:
                        task.advance(1)
                        time.sleep(0.01)
            except CalledOff:
                ended.append("slow")
                raise
        time.sleep(0.05)
        raise DamageError(f"{names[0]} is broken", f"mend {names[0]}")

    schedule = Schedule({"one": [], "two": [], "slow": [], "never": ["one"]}, no_lane)
    with pytest.raises(FlotoError) as caught:
        schedule.run(work, 4, off)
    assert ended == ["slow"]
    assert "one is broken" in caught.value.message or "two is broken" in caught.value.message
    assert caught.value.exit_code == DamageError.exit_code


def test_errors_that_happen_together_are_told_together() -> None:
    meeting = threading.Barrier(2, timeout=10)
    off = Off()

    def work(names: Sequence[str]) -> None:
        meeting.wait()
        raise DefinitionError(f"{names[0]} is broken", f"mend {names[0]}")

    with pytest.raises(FlotoError) as caught:
        Schedule({"one": [], "two": []}, no_lane).run(work, 2, off)
    assert sorted(caught.value.message.splitlines()) == [
        "  mend one",
        "  mend two",
        "2 things failed:",
        "one is broken",
        "two is broken",
    ]


def test_a_bug_is_no_floto_error_and_ends_everything() -> None:
    def work(names: Sequence[str]) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Schedule({"a": [], "b": ["a"]}, no_lane).run(work, 2, Off())


def test_a_circle_is_told() -> None:
    with pytest.raises(DefinitionError, match="in a circle: "):
        Schedule({"a": ["b"], "b": ["a"]}, no_lane)
