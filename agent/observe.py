"""Asking all engines of a site at once what is, and of changed files what they held."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from agent.labels import labels_of
from agent.machines.state import HypervisorState
from agent.planning.reasons import files_to_compare
from agent.planning.view import View, spec_in
from agent.state import EngineState, SiteState
from agent.targets.engine import Engine
from agent.targets.hypervisor import Hypervisor
from bundle_format.digest import Digest
from bundle_format.errors import TargetError
from bundle_format.release.deployment import Deployment, HostStep
from bundle_format.release.model import Image

ENGINES_AT_ONCE = 16
MOST_TEXT = 1 << 20
"""Bytes of a file of which it is worth telling the changed lines."""

T = TypeVar("T")
U = TypeVar("U")


def observe(
    engines: Mapping[str, Engine],
    unreachable: Mapping[str, str],
    deployment: Deployment | None = None,
    hypervisors: Mapping[str, Hypervisor] | None = None,
    silent_hypervisors: Mapping[str, str] | None = None,
) -> SiteState:
    """The state of a site; engines that do not answer join the `unreachable`, hypervisors the silent ones.

    With a `deployment`, the files that it changes are read, so that a plan can tell their lines, and the checks of its
    host steps are asked.
    """
    states: dict[str, EngineState] = {}
    silent = dict(unreachable)
    for (host, _), answer in at_once(lambda named: _asked(named[1]), engines.items()):
        if isinstance(answer, EngineState):
            states[host] = answer
        else:
            silent[host] = answer
    looked: dict[str, HypervisorState] = {}
    mute = dict(silent_hypervisors or {})
    for (name, _), told in at_once(lambda named: _looked_at(named[1]), (hypervisors or {}).items()):
        if isinstance(told, HypervisorState):
            looked[name] = told
        else:
            mute[name] = told
    state = SiteState(states, silent, hypervisors=looked, silent_hypervisors=mute)
    if deployment is None:
        return state
    questions = list(_changed_files(deployment, state))
    texts = {
        (container, path): text
        for (_, container, path), text in at_once(lambda asked: _text(engines[asked[0]], asked[1], asked[2]), questions)
    }
    steps = [step for step in deployment.host_steps.values() if step.host in states and states[step.host].has_shell]
    checks = {step.name: answer for step, answer in at_once(lambda step: _check(engines[step.host], step), steps)}
    return replace(state, texts=texts, checks=checks, lacking=_lacking(deployment, engines, states))


def at_once(ask: Callable[[T], U], subjects: Iterable[T]) -> list[tuple[T, U]]:
    """Each subject with its answer, several asked at the same time."""
    subjects = list(subjects)
    with ThreadPoolExecutor(max(1, min(ENGINES_AT_ONCE, len(subjects))), "ask") as pool:
        return list(zip(subjects, pool.map(ask, subjects), strict=True))


def _asked(engine: Engine) -> EngineState | str:
    try:
        return engine.observe()
    except TargetError as error:
        return error.message


def _check(engine: Engine, step: HostStep) -> int | str:
    try:
        return engine.run_on_host(step.unless, step.deadline, lambda _: None)
    except TargetError as error:
        return error.message


def _looked_at(hypervisor: Hypervisor) -> HypervisorState | str:
    try:
        return hypervisor.observe()
    except TargetError as error:
        return error.message


def _changed_files(deployment: Deployment, state: SiteState) -> Iterator[tuple[str, str, str]]:
    view = View(deployment, state)
    for host in view.hosts:
        for container in view.containers(host):
            found = view.found(container)
            if not found or not found.labels or found.labels.digest == labels_of(deployment, container, host).digest:
                continue
            for file in files_to_compare(spec_in(found), container):
                yield host, found.id, file.path


def _lacking(
    deployment: Deployment, engines: Mapping[str, Engine], states: Mapping[str, EngineState]
) -> dict[str, frozenset[Digest] | str]:
    """What the registries of those hosts lack through which services are asked for."""
    wanted: dict[str, dict[str, Image]] = {}
    for service in deployment.services.values():
        if service.host in states and not states[service.host].swarm.fault:
            wanted.setdefault(service.host, {})[service.image] = deployment.images[service.image]
    return {host: found for (host, _), found in at_once(lambda named: _asked_for(engines, *named), wanted.items())}


def _asked_for(engines: Mapping[str, Engine], host: str, images: Mapping[str, Image]) -> frozenset[Digest] | str:
    try:
        return engines[host].swarm.lacking(list(images.values()))
    except TargetError as error:
        return error.message


def _text(engine: Engine, container: str, path: str) -> bytes | None:
    try:
        return engine.read_file(container, path, MOST_TEXT)
    except TargetError:  # the reason is the poorer for it, the plan is not
        return None
