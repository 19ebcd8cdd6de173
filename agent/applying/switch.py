"""The switch: the steps that touch what runs. Each looks first, so that it may be done again after an interruption."""

from collections import deque
from collections.abc import Iterable
from typing import assert_never

from agent.applying.health import LAST_LINES, await_health, await_service
from agent.applying.machines import place_machine
from agent.applying.means import Means
from agent.machines.actions import Placing
from agent.steps import (
    BackUp,
    Create,
    Remove,
    Replace,
    Restart,
    Restore,
    RunTask,
    Standing,
    Start,
    Update,
    aside_name,
    draft_name,
)
from agent.swarm.actions import CreateService, RemoveService, UpdateService
from agent.targets.engine import Engine, LogLine
from bundle_format.digest import Digest
from bundle_format.errors import TargetError
from bundle_format.pieces import stream_of

ServiceSwitching = CreateService | UpdateService | RemoveService
Switching = (
    Create | Replace | Start | Restart | Update | Remove | RunTask | BackUp | Restore | Placing | ServiceSwitching
)

ONCE = (BackUp, Restore, RunTask)
"""What is not done again where the journal says that it was done; all else is, in case the engine fell over since."""


def switch(action: Switching, means: Means) -> str:
    """Do one action of the phase switch and see that it took; the digest of a backup's content, else nothing."""
    if isinstance(action, Placing):
        place_machine(action, means)
        return ""
    engine = means.engine(action.host)
    if isinstance(action, ServiceSwitching):
        _switch_service(engine, means, action)
        return ""
    match action:
        case Create() | Replace() | Start() | Restart():
            _bring_up(action, engine, means)
        case Update(container=name, after=limits):
            engine.update(name, limits)
        case Remove(standing=standing):
            _set_aside(engine, means, standing)
        case RunTask():
            _put_in_place(engine, means, action.task, action.standing)
            means.heed_stop()
            _run(engine, means, action)
        case BackUp():
            return _back_up(engine, means, action)
        case Restore(volume=volume, content=content, users=users):
            restore(engine, means, volume, content, users)
        case _:
            assert_never(action)
    return ""


def _switch_service(engine: Engine, means: Means, action: ServiceSwitching) -> None:
    match action:
        case CreateService(service=name, deadline=deadline):
            engine.swarm.create(name)
            await_service(engine, name, deadline, means, new=True)
        case UpdateService(service=name, deadline=deadline):
            engine.swarm.update(name, anew=action.anew)
            await_service(engine, name, deadline, means, new=True)
        case RemoveService(service=name):
            engine.swarm.set_aside(name, means.transaction)
        case _:
            assert_never(action)


def _bring_up(action: Create | Replace | Start | Restart, engine: Engine, means: Means) -> None:
    """Let a container run, in its place, until it is well."""
    name = action.container
    match action:
        case Create():
            _put_in_place(engine, means, name, None)
        case Replace(standing=standing):
            _put_in_place(engine, means, name, standing)
        case Restart(grace=grace):
            engine.stop(name, grace)
    engine.start(name)
    await_health(engine, name, action.deadline, means)


def restore(engine: Engine, means: Means, volume: str, content: Digest, users: Iterable[Standing]) -> None:
    """Give a volume the content of a backup; who uses it is stopped and stays so."""
    for user in users:
        engine.stop(user.name, user.grace)
    with means.store.blob(content) as blob:
        engine.write_volume(volume, blob.raw())


def _set_aside(engine: Engine, means: Means, standing: Standing | None) -> None:
    if standing is None:
        return
    found = engine.inspect(standing.name)
    if found and not means.bears(found):
        engine.stop(found.id, standing.grace)
        engine.rename(found.id, aside_name(standing.name))
    elif engine.inspect(aside_name(standing.name)):
        # An engine that came up again meanwhile starts what its restart policy says, this one too.
        engine.stop(aside_name(standing.name), standing.grace)


def _put_in_place(engine: Engine, means: Means, name: str, standing: Standing | None) -> None:
    _set_aside(engine, means, standing)
    if engine.inspect(name) is None:
        engine.rename(draft_name(name), name)


def _run(engine: Engine, means: Means, action: RunTask) -> None:
    last: deque[LogLine] = deque(maxlen=LAST_LINES)
    with means.output_of(action.task) as keep:

        def heard(line: LogLine) -> None:
            last.append(line)
            keep(line)

        code = engine.run_task(action.task, action.deadline, heard)
    if code != 0:
        told = "".join(f"\n  {action.task}: {means.redact(line.text)}" for line in last) if means.redact.known else ""
        raise TargetError(f"{action.host}: task {action.task} ended with exit code {code}{told}")


def _back_up(engine: Engine, means: Means, action: BackUp) -> str:
    for user in action.users:
        engine.stop(user.name, user.grace)
    digest = means.store.add(stream_of(engine.read_volume(action.volume))).digest
    for user in action.users:
        engine.start(user.name)
    return digest
