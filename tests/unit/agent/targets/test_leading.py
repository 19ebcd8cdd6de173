"""A swarm that elects a leader is waited for, and not for ever."""

from dataclasses import dataclass, field

import pytest

from agent.targets.docker.connection import RefusedError
from agent.targets.docker.swarm.leading import LEADER_SECONDS, heard_nodes, led


@dataclass
class Manager:
    answers: list[str]
    now: float = 0.0
    asked: list[str] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    @led
    def remove(self, name: str) -> str:
        self.asked.append(name)
        answer = self.answers.pop(0) if self.answers else "The swarm does not have a leader."
        if answer:
            raise RefusedError(answer, "", 503)
        return "gone"


def test_a_leader_that_is_elected_in_time_is_all_that_is_needed() -> None:
    gone = "rpc error: code = DeadlineExceeded desc = context deadline exceeded"
    manager = Manager(["The swarm does not have a leader.", gone, ""])

    assert manager.remove("web") == "gone"
    assert manager.asked == ["web"] * 3


def test_one_that_never_comes_is_told() -> None:
    manager = Manager([])
    with pytest.raises(RefusedError, match="does not have a leader"):
        manager.remove("web")
    assert LEADER_SECONDS <= manager.now <= LEADER_SECONDS + 1


def test_every_other_refusal_is_told_at_once() -> None:
    manager = Manager(["no such service"])
    with pytest.raises(RefusedError, match="no such service"):
        manager.remove("web")
    assert manager.now == 0


@pytest.mark.parametrize(("states", "asked"), [(["unknown", "unknown", "ready"], 3), (["down"], 1)])
def test_nodes_that_a_new_leader_has_not_heard_of_are_waited_for(states: list[str], asked: int) -> None:
    manager, told = Manager([]), iter(states)
    nodes = heard_nodes(manager, lambda: [{"Status": {"State": next(told)}}])

    assert [node["Status"]["State"] for node in nodes] == states[-1:]
    assert manager.now == (asked - 1) * 0.5


def test_a_node_that_is_never_heard_of_is_told_as_it_is() -> None:
    manager = Manager([])

    assert heard_nodes(manager, lambda: [{"Status": {"State": "unknown"}}])
    assert LEADER_SECONDS <= manager.now <= LEADER_SECONDS + 1
