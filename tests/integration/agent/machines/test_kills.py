"""The agent killed at each call by which it changes an ESX: nothing lost, nothing foreign touched, no ghosts left.

Each time before the call is done, or when it is done and its answer not heard. A draft that was being uploaded is held
by its lease, which dies after a while, as on an ESX.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import pytest

from tests.engines import PrivateEngine, missing
from tests.integration.agent.machines.ledger import LEASE_SECONDS, Place, When, make_ledger
from tests.lab.esx import LabEsx, esx_missing

pytestmark = pytest.mark.engine

SAMPLE: Sequence[tuple[str, str, int, When]] = (
    ("apply", "CreateVirtualDisk_Task", 1, "after"),
    ("apply", "upload", 1, "after"),
    ("redeploy", "HttpNfcLeaseComplete", 1, "after"),  # the draft is whole, and no lease takes it away
    ("redeploy", "ReconfigVM_Task", 1, "after"),  # the data disk has left the old machine
    ("redeploy", "ReconfigVM_Task", 2, "after"),  # the old machine has given up its name
    ("redeploy", "ReconfigVM_Task", 4, "before"),  # the new one gets the data disk
    ("redeploy", "PowerOnVM_Task", 1, "after"),
    ("redeploy", "Destroy_Task", 1, "before"),
)
"""What is done, at which call of its kind it is cut short, and when."""


class Rounds:
    """One kill after the other on the same place; each leaves it sound for the next."""

    def __init__(self, place: Place, bundles: Path) -> None:
        self.place = place
        self._bundles = bundles
        self._number = 0
        self._rows: list[str] = []

    def calls(self, kind: str) -> tuple[str, ...]:
        """What an undisturbed run calls."""
        made = self.place.calls(*self._words(kind))
        self.place.write_mark()
        self._end()
        return made

    def kill(self, kind: str, call: int, when: When) -> None:
        """One kill, and what the next start of the agent makes of it."""
        words = self._words(kind)
        self.place.kill_at(call, when, *words)
        if kind == "redeploy":
            self.place.run("resume", codes=(0, 30))  # done, or taken back
        else:
            self.place.run(*words)
        if kind == "apply":
            self.place.write_mark()  # where its data disk was not there yet when it was killed
        self._end()

    def _words(self, kind: str) -> tuple[object, ...]:
        """What is to be run; what it needs is made first."""
        if kind == "apply":
            self.place.fresh()
            self._rows = []
        elif not self._rows:
            self.calls("apply")
        if kind == "redeploy":
            return ("redeploy", "server", "--yes")
        self._number += 1
        self._rows.append(str(self._number))
        self._bundle = make_ledger(self._bundles, self._number)
        return ("apply", self._bundle, "--yes")

    def _end(self) -> None:
        self.place.check(self._rows)
        assert "nothing to do" in self.place.run("apply", self._bundle, "--yes")
        self.place.check(self._rows)


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rounds]:
    if why := missing() or esx_missing():
        pytest.skip(why)
    with PrivateEngine() as engine, LabEsx(f"-lease={LEASE_SECONDS}s", answers="192.0.2.20") as esx:
        yield Rounds(Place(tmp_path_factory.mktemp("place"), esx, engine), tmp_path_factory.mktemp("bundles"))


@pytest.mark.timeout(600)
def test_threat_38_a_kill_between_two_calls_leaves_no_ghost(rounds: Rounds) -> None:
    calls = {kind: rounds.calls(kind) for kind in ("apply", "redeploy")}
    for kind, method, which, when in SAMPLE:
        numbers = [number for number, call in enumerate(calls[kind], 1) if call == method]
        rounds.kill(kind, numbers[which - 1], when)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["apply", "redeploy", "change"])
def test_no_kill_between_any_two_calls_leaves_a_ghost(
    rounds: Rounds, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = rounds.calls(kind)
    for number in range(1, len(calls) + 1):
        for when in get_args(When):
            rounds.kill(kind, number, when)
    with capsys.disabled():
        print(f"\n{kind}: {2 * len(calls)} kills at {', '.join(calls)}")  # noqa: T201
