"""A plan as text: host by host what is done and why, what it costs, and what is in its way."""

from collections.abc import Iterable, Iterator

from agent.machines.actions import DraftMachine
from agent.preflight import Findings
from agent.steps import (
    Action,
    Draft,
    LoadImages,
    Obstacle,
    Plan,
    Step,
)
from agent.swarm.actions import DraftService, PushImages
from bundle_format.shown.sizes import size_text

MINUTE = 60

_HOW = (Draft, DraftMachine, DraftService)
_VERBS = {
    "load": "load",
    "host_step": "do host step",
    "network": "create network",
    "volume": "create volume",
    "create": "create",
    "replace": "replace",
    "start": "start",
    "restart": "restart",
    "update": "update in place",
    "remove": "remove",
    "task": "run task",
    "backup": "back up volume",
    "restore": "set back volume",
    "discard": "discard",
    "disk": "create data disk",
    "create-machine": "create machine",
    "replace-machine": "replace machine",
    "change-machine": "change machine",
    "discard-machine": "discard machine",
    "snapshot": "take a snapshot of machine",
    "push": "push",
    "create service": "create service",
    "update service": "update service",
    "remove service": "remove service",
}


def plan_lines(plan: Plan) -> Iterator[str]:
    """The plan; drafts are left out, for they are how and not what."""
    steps = [step for step in plan.steps if not isinstance(step.action, _HOW)]
    for host in dict.fromkeys(step.action.host for step in steps):
        yield f"host {host}"
        for step in steps:
            if step.action.host == host:
                yield "  " + _step_line(step)
    if steps:
        yield _total(plan)
    yield from (f"note: {notice}" for notice in plan.notices)


def finding_lines(findings: Findings) -> Iterator[str]:
    """What forbids the plan, with remedies, and what a person should know."""
    yield from (f"warning: {warning}" for warning in findings.warnings)
    yield from obstacle_lines(findings.obstacles)


def obstacle_lines(obstacles: Iterable[Obstacle]) -> Iterator[str]:
    """What is in the way, each with its remedy."""
    for obstacle in obstacles:
        yield f"error: {obstacle.message}"
        yield f"  hint: {obstacle.hint}"


def _step_line(step: Step) -> str:
    costs = [size_text(step.bytes)] if step.bytes else []
    if step.downtime:
        costs.append(f"stands still about {time_text(step.downtime)}")
    told = f"{_VERBS[step.action.kind]} {_about(step.action)}: {'; '.join(step.why)}"
    return f"{told} ({', '.join(costs)})" if costs else told


def _about(action: Action) -> str:
    if isinstance(action, LoadImages | PushImages):
        return f"{len(action.images)} image{'s' if len(action.images) > 1 else ''}"
    for field in ("container", "task", "service", "volume", "network", "disk", "machine", "step"):
        if hasattr(action, field):
            return str(getattr(action, field))
    raise AssertionError(action)


def _total(plan: Plan) -> str:
    size, seconds = sum(step.bytes for step in plan.steps), sum(step.seconds for step in plan.steps)
    loaded = f", {size_text(size)} to load" if size else ""
    count = sum(not isinstance(step.action, _HOW) for step in plan.steps)
    return f"{count} step{'s' if count > 1 else ''}{loaded}, about {time_text(seconds)}"


def time_text(seconds: int) -> str:
    """A length of time as people say it."""
    return f"{seconds} s" if seconds < 2 * MINUTE else f"{seconds // MINUTE} min"
