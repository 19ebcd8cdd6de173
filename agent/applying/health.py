"""Waiting until a container works: healthy where it has a check, running quietly where it has none."""

from itertools import islice

from agent.applying.means import Means, Redactor
from agent.state import ContainerState
from agent.swarm.state import ServiceState
from agent.targets.engine import Engine
from bundle_format.errors import FlotoError, TargetError

QUIET_SECONDS = 2
"""How long a container without a healthcheck must run without a restart before it counts as well."""

SPARE_SECONDS = 5
"""How long all containers of a service must be well, beyond what they are watched for, where the swarm does not end."""

MOST_FAILURES = 3
"""How often each container of a new service may end before the service counts as failed."""

MOST_ASKED = 3
"""How often a container that is restarting is started again, which an engine may want (`Engine.start`)."""

POLL_SECONDS = 0.25
LAST_LINES = 10


def await_health(engine: Engine, name: str, deadline: int, means: Means) -> None:
    """Wait until a container is well; TargetError with its last lines when it ends or `deadline` seconds pass."""
    clock, redact = means.clock, means.redact
    began = clock.time()
    found = _found(engine, name)
    restarts = found.restarts
    quiet = began
    asked = 0
    while not _is_well(found, clock.time() - quiet):
        if found.status in ("exited", "dead"):
            raise _failed(engine, found, redact, f"ended with exit code {found.exit_code} {found.reason}".rstrip())
        if clock.time() - began >= deadline:
            raise _failed(engine, found, redact, f"is not well after {deadline} s: {_told(found)}")
        means.pause(POLL_SECONDS)
        if found.status == "restarting" and asked < MOST_ASKED:
            engine.start(name)
            asked += 1
        found = _found(engine, name)
        if found.restarts != restarts or found.status != "running":
            restarts, quiet = found.restarts, clock.time()


def check_still_well(engine: Engine, name: str, restarts: int | None, redact: Redactor) -> int:
    """Its number of restarts; TargetError when a container is not well any more or has restarted since."""
    found = _found(engine, name)
    if found.status != "running" or found.health == "unhealthy":
        raise _failed(engine, found, redact, f"did not stay well: {_told(found)}")
    if restarts is not None and found.restarts != restarts:
        raise _failed(engine, found, redact, f"restarts again and again ({found.restarts} times)")
    return found.restarts


def await_service(engine: Engine, name: str, deadline: int, means: Means, *, new: bool) -> None:
    """Wait until all containers of a service are well; TargetError when it fails or `deadline` seconds pass.

    `new`: as this transaction wants it, so the swarm's going back is a failure; else as it was before.
    """
    began = quiet = means.clock.time()
    while True:
        found = engine.swarm.service(name)
        if found is None:
            raise TargetError(f"{engine.host}: service {name} is gone", "Somebody removed it meanwhile.")
        if new and (found.labels is None or found.labels.transaction != means.transaction):
            raise _service_failed(engine, found, f"was taken back by the swarm itself: {found.message}")
        quiet = quiet if found.well else means.clock.time()
        if found.well and (found.settled or means.clock.time() - quiet >= found.monitor + SPARE_SECONDS):
            return
        if found.update in ("paused", "rollback_paused"):
            raise _service_failed(engine, found, f"was stopped half-way by the swarm itself: {found.message}")
        if new and found.failures >= MOST_FAILURES * max(found.wanted, 1):
            raise _service_failed(engine, found, f"failed {found.failures} times")
        if means.clock.time() - began >= deadline:
            raise _service_failed(engine, found, f"is not well after {deadline} s")
        means.pause(POLL_SECONDS)


def check_service_still_well(engine: Engine, name: str) -> None:
    """TargetError when a service is not well any more."""
    found = engine.swarm.service(name)
    if found is None or not found.well:
        raise TargetError(f"{engine.host}: service {name} did not stay well", f"floto-agent logs {name} says more")


def _service_failed(engine: Engine, found: ServiceState, why: str) -> TargetError:
    told = "".join(f"\n  {found.name}: {complaint}" for complaint in found.complaints[:LAST_LINES])
    run = f"{found.running} of {found.wanted} run"
    return TargetError(
        f"{engine.host}: service {found.name} {why}; {run}{told}",
        f"Its log says more: floto-agent logs {found.name}; docker service ps {found.name} tells of its containers",
    )


def last_lines(engine: Engine, name: str, redact: Redactor) -> str:
    """The end of a container's log for a message, without secrets; empty where these are not known."""
    if not redact.known:
        return ""
    try:
        lines = list(islice(engine.logs(name, follow=False, since=None, tail=LAST_LINES), LAST_LINES))
    except FlotoError:
        return ""
    return "".join(f"\n  {name}: {redact(line.text)}" for line in lines)


def _last_check(found: ContainerState, redact: Redactor) -> str:
    """How the last health check failed, for a message, without secrets; only its code where these are not known."""
    if found.checked is None or found.checked.exit_code == 0:
        return ""
    lines = redact(found.checked.output).splitlines()[-LAST_LINES:] if redact.known else ()
    told = (f"exit code {found.checked.exit_code}", *lines)
    return "".join(f"\n  health check of {found.name}: {line}" for line in told)


def _is_well(found: ContainerState, quiet: float) -> bool:
    if found.status != "running":
        return False
    if found.health == "none":
        return quiet >= QUIET_SECONDS
    return found.health == "healthy"


def _found(engine: Engine, name: str) -> ContainerState:
    found = engine.inspect(name)
    if found is None:
        raise TargetError(f"{engine.host}: container {name} is gone", "Somebody removed it meanwhile.")
    return found


def _told(found: ContainerState) -> str:
    return found.status if found.health == "none" else f"{found.status}, {found.health}"


def _failed(engine: Engine, found: ContainerState, redact: Redactor, why: str) -> TargetError:
    name = found.name
    return TargetError(
        f"{engine.host}: {name} {why}{_last_check(found, redact)}{last_lines(engine, name, redact)}",
        f"Its log says more for as long as it is there: floto-agent logs {name}; "
        "of a change that was taken back, floto-agent receipt tells this again",
    )
