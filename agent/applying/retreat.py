"""Taking an apply back: every step that was begun, whether or not it is known to have taken effect.

First all that is new goes, then what was set aside gets its name back, then volumes their content, then what ran
before starts again in its order. Each of it looks first, so that a retreat may be begun again.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from agent.applying.health import await_health, await_service
from agent.applying.journal import Course, Journal, Restored
from agent.applying.machines import drop_snapshot, withdraw_machine
from agent.applying.means import Means
from agent.applying.ready import undo_host_step
from agent.applying.runner import told
from agent.applying.switch import restore
from agent.machines.actions import DraftMachine, Placing, TakeSnapshot
from agent.steps import (
    Action,
    BackUp,
    Create,
    CreateNetwork,
    DoHostStep,
    Draft,
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
    is_of_machine,
)
from agent.swarm.actions import CreateService, DraftService, RemoveService, UpdateService
from agent.targets.engine import Engine
from bundle_format.digest import parse_digest
from bundle_format.errors import FlotoError, NeedsPersonError, TargetError

HOSTS_AT_ONCE = 16
OLD_DEADLINE = 120
"""Seconds that what ran well before gets to be well again."""

Undo = Callable[[int, Action, Engine], None]


def retreat(journal: Journal, means: Means, only: Collection[int] | None = None) -> None:
    """Take back the steps that were begun, or `only` these; NeedsPersonError when a host cannot be set back.

    A host that fails is left as it is from there on; the others are set back all the same.
    """
    course = journal.course
    numbers = sorted(course.began if only is None else course.began & set(only))
    all_begun = [(number, course.undertaking.plan.steps[number].action) for number in numbers]
    faults: dict[str, FlotoError] = {}
    gone = _withdraw_machines([action for _, action in reversed(all_begun)], means, faults)
    begun = [(n, action) for n, action in all_begun if action.host not in gone and not is_of_machine(action)]

    def sweep(undo: Undo, steps: Sequence[tuple[int, Action]]) -> None:
        for number, action in steps:
            if action.host not in faults:
                try:
                    undo(number, action, means.engine(action.host))
                except FlotoError as error:
                    faults[action.host] = error

    def sweep_hosts(undo: Undo) -> None:
        # Containers stop slowly, and hosts do not wait for each other to fall silent.
        by_host: dict[str, list[tuple[int, Action]]] = {}
        for number, action in reversed(begun):
            by_host.setdefault(action.host, []).append((number, action))
        with ThreadPoolExecutor(max(1, min(len(by_host), HOSTS_AT_ONCE)), "retreat") as pool:
            for done in [pool.submit(sweep, undo, steps) for steps in by_host.values()]:
                done.result()

    sweep_hosts(lambda number, action, engine: _withdraw(action, engine, means, course.did.get(number, "")))
    sweep_hosts(lambda _, action, engine: _put_back(action, engine))
    sweep_hosts(lambda number, action, engine: _refill(number, action, engine, means, journal))
    sweep(lambda _, action, engine: _start_again(action, engine), begun)
    sweep(lambda _, action, engine: _await_old(action, engine, means), begun)
    sweep_hosts(lambda _, action, engine: _forget(action, engine, means))
    _drop_snapshots([action for _, action in all_begun], means, faults)
    if faults:
        raise _stuck(course, faults)


def _withdraw_machines(actions: Sequence[Action], means: Means, faults: dict[str, FlotoError]) -> set[str]:
    """Bring back the machines that stood, side by side, placings before drafts; the hosts to leave alone then."""
    by_host: dict[str, list[Placing | DraftMachine]] = {}
    for action in actions:
        if isinstance(action, Placing | DraftMachine):
            by_host.setdefault(action.host, []).append(action)
    gone = set[str]()

    def withdraw(host: str) -> None:
        try:
            for action in by_host[host]:
                if not withdraw_machine(action, means):
                    gone.add(host)
        except FlotoError as error:
            faults[host] = error

    with ThreadPoolExecutor(max(1, min(len(by_host), HOSTS_AT_ONCE)), "retreat") as pool:
        for done in [pool.submit(withdraw, host) for host in by_host]:
            done.result()
    return gone


def _drop_snapshots(actions: Sequence[Action], means: Means, faults: dict[str, FlotoError]) -> None:
    """Forget what was kept of machines on which all is as before; where it is not, a person may want to go back."""
    for action in actions:
        if isinstance(action, TakeSnapshot) and action.host not in faults:
            try:
                drop_snapshot(action, means)
            except FlotoError as error:
                faults[action.host] = error


def _withdraw(action: Action, engine: Engine, means: Means, result: str) -> None:
    """Remove what the transaction made: never a volume, for it may hold something by now."""
    match action:
        case DoHostStep():
            undo_host_step(action, means, result)
        case Draft(container=name):
            _remove_new(engine, means, draft_name(name), 0)
        case Create(container=name, grace=grace) | Replace(container=name, grace=grace):
            _remove_new(engine, means, name, grace)
            _remove_new(engine, means, draft_name(name), 0)
        case RunTask(task=name, grace=grace):
            _remove_new(engine, means, name, grace)
        case Start(container=name, grace=grace):
            engine.stop(name, grace)
        case CreateService() | UpdateService() | RemoveService():
            _withdraw_service(action, engine, means)
        case Update(container=name, before=limits):
            engine.update(name, limits)
        case CreateNetwork(network=name):
            # Harmless where it stays, because somebody else has joined it.
            with suppress(TargetError):
                engine.remove_network(name)


def _withdraw_service(action: CreateService | UpdateService | RemoveService, engine: Engine, means: Means) -> None:
    """Let a service be what it was, unless the swarm saw to that itself."""
    found = engine.swarm.service(action.service)
    if found is None or found.labels is None:
        return
    ours = means.transaction in (found.labels.transaction, found.aside)
    match action:
        case CreateService(service=name) if ours:
            engine.swarm.remove(name)
        case UpdateService(service=name, digest=digest) | RemoveService(service=name, digest=digest) if ours:
            engine.swarm.put_back(name, digest)


def _forget(action: Action, engine: Engine, means: Means) -> None:
    """Remove drafts, configs and secrets that nobody uses any more."""
    if isinstance(action, DraftService):
        engine.swarm.clear((), means.transaction)


def _put_back(action: Action, engine: Engine) -> None:
    for standing in _set_aside_by(action):
        aside = engine.inspect(aside_name(standing.name))
        if aside and engine.inspect(standing.name) is None:
            engine.rename(aside.id, standing.name)


def _refill(number: int, action: Action, engine: Engine, means: Means, journal: Journal) -> None:
    """Put a backup back, once, if anything that it was made for has begun."""
    if not isinstance(action, BackUp):
        return
    course = journal.course
    touched = any(number in course.undertaking.plan.steps[later].needs for later in course.began)
    if touched and number in course.did and number not in course.restored:
        restore(engine, means, action.volume, parse_digest(course.did[number]), action.users)
        journal.write(Restored(step=number))


def _start_again(action: Action, engine: Engine) -> None:
    for standing in _stopped_by(action):
        if standing.running:
            engine.start(standing.name)
    if isinstance(action, Restart):
        engine.start(action.container)


def _await_old(action: Action, engine: Engine, means: Means) -> None:
    for standing in _stopped_by(action):
        if standing.running and standing.well:
            await_health(engine, standing.name, OLD_DEADLINE, means)
    match action:
        case UpdateService(service=name, well=True) | RemoveService(service=name, well=True):
            await_service(engine, name, OLD_DEADLINE, means, new=False)


def _set_aside_by(action: Action) -> Iterator[Standing]:
    match action:
        case Replace(standing=standing) | Remove(standing=standing):
            yield standing
        case RunTask(standing=Standing() as standing):
            yield standing


def _stopped_by(action: Action) -> Iterator[Standing]:
    match action:
        case Replace(standing=standing) | Remove(standing=standing):
            yield standing
        case BackUp(users=users) | Restore(users=users):
            yield from users


def _remove_new(engine: Engine, means: Means, name: str, grace: int) -> None:
    found = engine.inspect(name)
    if found and means.bears(found):
        engine.stop(found.id, grace)
        engine.remove(found.id)


def _stuck(course: Course, faults: dict[str, FlotoError]) -> NeedsPersonError:
    lines = [f"{host}: {told(fault).removeprefix(f'{host}: ')}" for host, fault in faults.items()]
    hints = dict.fromkeys(f"\n  {fault.hint}" for fault in faults.values() if fault.hint)
    undertaking = course.undertaking
    kept = [
        f"{step.action.host}: {standing.name} may still be called {aside_name(standing.name)}"
        for step in undertaking.plan.steps
        if step.action.host in faults
        for standing in _set_aside_by(step.action)
    ]
    snapshots = [
        f" As the last resort its machine goes back to before the update: floto-agent abort --revert {action.host}"
        for action in (step.action for step in undertaking.plan.steps)
        if isinstance(action, TakeSnapshot) and action.host in faults
    ]
    return NeedsPersonError(
        "the change could not be taken back everywhere:\n  " + "\n  ".join([*lines, *kept]),
        "No volume and no container that ran before was removed. Mend the cause, then: floto-agent resume"
        + "".join([*snapshots, *hints]),
    )
