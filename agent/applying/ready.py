"""Making ready: what is done before anything that runs is touched, and what takes it away again."""

import shlex
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import assert_never

from agent.applying.health import LAST_LINES
from agent.applying.machines import MachineReadying, make_machine_ready
from agent.applying.means import Means
from agent.labels import labels_of
from agent.steps import (
    CreateNetwork,
    CreateVolume,
    Discard,
    DoHostStep,
    Draft,
    LoadImages,
    draft_name,
)
from agent.swarm.actions import DraftService, PushImages
from agent.targets.engine import LogLine
from bundle_format.errors import TargetError
from bundle_format.release.deployment import Container, Deployment

ALREADY = "already"
"""The result of a step that somebody else has done: it is not ours to take back."""

Readying = (
    LoadImages | PushImages | DoHostStep | CreateNetwork | CreateVolume | Draft | DraftService | Discard
    | MachineReadying
)  # fmt: skip


def make_ready(action: Readying, means: Means, deployment: Deployment) -> str:
    """Do one action of the phases load and prepare, which may be done twice; ALREADY or nothing."""
    if isinstance(action, MachineReadying):
        make_machine_ready(action, means, deployment)
        return ""
    engine = means.engine(action.host)
    match action:
        case LoadImages(images=names):
            engine.load_images([deployment.images[name] for name in names], means.store, means.progress)
        case DoHostStep():
            return _do_host_step(action, means)
        case PushImages(images=images):
            engine.swarm.push([deployment.images[name] for name in images], means.store, means.progress)
        case DraftService(host=host, service=name):
            service = deployment.services[name]
            labels = labels_of(deployment, service, host, means.transaction)
            engine.swarm.draft(service, labels, deployment.images[service.image])
        case CreateNetwork(host=host, network=name):
            network = deployment.networks[name]
            engine.ensure_network(network, labels_of(deployment, network, host, means.transaction))
        case CreateVolume(host=host, volume=name):
            volume = deployment.volumes[name]
            engine.ensure_volume(volume, labels_of(deployment, volume, host, means.transaction))
        case Draft(container=name):
            _draft(means, deployment, thing(deployment, name))
        case Discard(container=name):
            engine.stop(name, 0)
            engine.remove(name)
        case _:
            assert_never(action)
    return ""


def thing(deployment: Deployment, name: str) -> Container:
    """A container or a task's container by its name."""
    task = deployment.tasks.get(name)
    return task.container if task else deployment.containers[name]


def _draft(means: Means, deployment: Deployment, container: Container) -> None:
    engine = means.engine(container.host)
    image = deployment.images[container.image]
    held = engine.load_images([image], means.store, means.progress)[image.config]
    labels = labels_of(deployment, container, container.host, means.transaction)
    engine.create_container(container, draft_name(container.name), labels, held)


def _do_host_step(action: DoHostStep, means: Means) -> str:
    """Do one step and see that it took; ALREADY where there was nothing to do."""
    if _is_done(action, means):
        return ALREADY
    code, told = _run(action, action.run, action.step, means)
    if code != 0:
        raise TargetError(f"{_told(action)} ended with {code}{told}")
    if not _is_done(action, means):
        raise TargetError(
            f"{_told(action)} ended well, but {shlex.join(action.unless)} still says that it is not done{told}",
            "Try both by hand on the host; the release's makers have to mend one of them.",
        )
    return ""


def undo_host_step(action: DoHostStep, means: Means, result: str) -> None:
    """Take a step back that was begun, or say that it stays; `result` is what doing it told, empty if it did not."""
    if result == ALREADY:
        return
    if action.undo is None:
        means.progress.note(f"{action.host}: host step {action.step} has no undo: what it did stays")
        return
    code, told = _run(action, action.undo, f"{action.step}-undo", means)
    if _is_done(action, means):  # not the exit code: there may have been nothing to take back
        raise TargetError(f"{_told(action)} is not taken back: {shlex.join(action.undo)} ended with {code}{told}")


def _is_done(action: DoHostStep, means: Means) -> bool:
    return means.engine(action.host).run_on_host(action.unless, action.deadline, lambda _: None) == 0


def _run(action: DoHostStep, command: Sequence[str], name: str, means: Means) -> tuple[int, str]:
    """The exit code of a step's command, and its last lines for a person; all of them are kept."""
    last: deque[str] = deque(maxlen=LAST_LINES)
    with means.output_of(name) as keep:

        def heard(line: str) -> None:
            time = datetime.fromtimestamp(means.clock.time(), UTC).isoformat()
            keep(LogLine(action.step, time, "stdout", line))
            last.append(means.redact(line))

        code = means.engine(action.host).run_on_host(command, action.deadline, heard)
    return code, "".join(f"\n  {action.step}: {line}" for line in last) if means.redact.known else ""


def _told(action: DoHostStep) -> str:
    return f"{action.host}: host step {action.step} ({shlex.join(action.run)})"
