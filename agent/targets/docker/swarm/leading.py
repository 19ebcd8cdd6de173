"""Waiting while the managers of a swarm elect a leader, as they do when one of them goes or comes back."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from agent.targets.docker.connection import RefusedError

LEADERLESS = ("does not have a leader", "context deadline exceeded")
"""What managers say who know of no leader, or whose leader has gone and does not answer them."""

LEADER_SECONDS = 60
PAUSE_SECONDS = 0.5

P = ParamSpec("P")
T = TypeVar("T")


class Clocked(Protocol):
    """What can wait."""

    clock: Callable[[], float]
    sleep: Callable[[float], None]


S = TypeVar("S", bound=Clocked)


def led(verb: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """The verb, which looks before it acts, tried again for some seconds while its swarm has no leader that answers."""

    @wraps(verb)
    def waiting(asked: S, /, *given: P.args, **named: P.kwargs) -> T:
        end = asked.clock() + LEADER_SECONDS
        while True:
            try:
                return verb(asked, *given, **named)
            except RefusedError as refused:
                if not any(sign in refused.message for sign in LEADERLESS) or asked.clock() > end:
                    raise
            asked.sleep(PAUSE_SECONDS)

    return waiting


def heard_nodes(asked: Clocked, ask: Callable[[], list[Any]]) -> list[Any]:
    """What `ask` tells of the nodes once their leader has heard of each; to a new one all are `unknown` at first."""
    end = asked.clock() + LEADER_SECONDS
    while True:
        nodes = ask()
        if asked.clock() > end or all(node["Status"]["State"] != "unknown" for node in nodes):
            return nodes
        asked.sleep(PAUSE_SECONDS)
