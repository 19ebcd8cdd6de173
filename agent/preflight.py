"""What must hold before the first write: room, versions, architecture, ports, clocks; all that does not is told."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network

from agent.machines.actions import DraftMachine
from agent.machines.spec import machine_in
from agent.planning.swarm.hindrances import swarm_warnings
from agent.planning.ties import overlap
from agent.planning.view import View, is_well
from agent.state import EngineState
from agent.steps import Create, CreateNetwork, LoadImages, Obstacle, Plan, Replace, Start
from bundle_format.digest import Digest
from bundle_format.release.deployment import Container
from bundle_format.release.fittings import Port
from bundle_format.shown.sizes import size_text

OLDEST_API = (1, 41)
"""Docker 20.10."""

MOST_SKEW = 60
"""Seconds that an engine's clock may be away from ours without a word."""

SPARE_PERCENT = 30
"""What must be free beyond the bytes that are written (THREATS 28)."""

COPIES = 2
"""How often an engine has an image on disk while it loads: as sent and unpacked; containerd's store keeps both."""


@dataclass(frozen=True, slots=True)
class Staging:
    """What staging writes into the site's store, and what is free there; bytes.

    `packed` is what disks take there at least while they are sent to a hypervisor that wants them packed.
    """

    needed: int
    free: int
    place: str
    packed: Mapping[Digest, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Findings:
    """What forbids an apply, and what a person should know before one."""

    obstacles: tuple[Obstacle, ...]
    warnings: tuple[str, ...]


def preflight(view: View, plan: Plan, staging: Staging) -> Findings:
    """Every fault at once, with numbers and remedies; the plan's own obstacles are among them."""
    obstacles = [*plan.obstacles, *_store(staging, view, plan)]
    warnings = [*view.history.warnings()]
    for host in view.hosts:
        engine = view.engine(host)
        obstacles += [*_versions(engine), *_architecture(view, host, plan), *_room(host, engine, plan)]
        obstacles += [*_ports(view, host, plan), *_subnets(view, host, plan)]
        warnings += [*_clock(engine), *_unwell(view, host, plan), *swarm_warnings(view, host)]
    return Findings(tuple(obstacles), tuple(warnings))


def _store(staging: Staging, view: View, plan: Plan) -> Iterator[Obstacle]:
    hosts, images = view.deployment.hosts, view.deployment.machine_images
    drafted = {step.action.host for step in plan.steps if isinstance(step.action, DraftMachine)}
    machines = (machine_in(hosts[host]) for host in drafted)
    disks = {(machine.hypervisor, images[machine.image].disk) for machine in machines}  # packed once for each
    needed = _with_spare(staging.needed + sum(staging.packed.get(disk, 0) for _, disk in disks))
    if needed > staging.free:
        yield Obstacle(
            message=f"the site's store needs {size_text(needed)} under {staging.place}; "
            f"{size_text(staging.free)} are free",
            hint="Free space there, or keep the state elsewhere with --state.",
        )


def _versions(engine: EngineState) -> Iterator[Obstacle]:
    if engine.facts.api < OLDEST_API:
        have, need = (".".join(map(str, version)) for version in (engine.facts.api, OLDEST_API))
        yield Obstacle(
            message=f"{engine.host}: engine {engine.facts.version} speaks API {have}; {need} is needed",
            hint="Upgrade the engine to Docker 20.10 or later.",
        )


def _architecture(view: View, host: str, plan: Plan) -> Iterator[Obstacle]:
    engine = view.engine(host)
    for step in plan.steps:
        if isinstance(step.action, LoadImages) and step.action.host == host:
            for name in step.action.images:
                image = view.deployment.images[name]
                wanted = image.platform.split("/")[1]
                if wanted != engine.facts.architecture:
                    yield Obstacle(
                        message=f"{host}: image {image.tag} is for {wanted}, "
                        f"the engine runs {engine.facts.architecture}",
                        hint="Get the release for this architecture.",
                    )


def _room(host: str, engine: EngineState, plan: Plan) -> Iterator[Obstacle]:
    loads = [step for step in plan.steps if isinstance(step.action, LoadImages) and step.action.host == host]
    needed = _with_spare(COPIES * sum(step.bytes for step in loads))
    if engine.space is not None and needed > engine.space.free:
        yield Obstacle(
            message=f"{host}: the images need {size_text(needed)} under {engine.facts.root}; "
            f"{size_text(engine.space.free)} are free",
            hint="Free space on that disk (docker system df tells what fills it).",
        )


def _subnets(view: View, host: str, plan: Plan) -> Iterator[Obstacle]:
    held = [network for network in view.engine(host).networks if network.subnet]
    for step in plan.steps:
        if isinstance(step.action, CreateNetwork) and step.action.host == host:
            wanted = view.deployment.networks[step.action.network]
            for other in held:
                if wanted.subnet and other.subnet and _cross(wanted.subnet, other.subnet):
                    yield Obstacle(
                        message=f"{host}: network {wanted.name} wants {wanted.subnet}, but network {other.name} has "
                        f"{other.subnet}",
                        hint="Give it another subnet in the site's file or the definition.",
                    )


def _cross(one: str, other: str) -> bool:
    networks = (ip_network(one), ip_network(other))
    return networks[0].version == networks[1].version and networks[0].overlaps(networks[1])


def _ports(view: View, host: str, plan: Plan) -> Iterator[Obstacle]:
    engine = view.engine(host)
    ours = {found.id for found in engine.containers if view.is_ours(host, "container", found.id, found.labels)}
    for step in plan.steps:
        if not isinstance(step.action, Create | Replace | Start) or step.action.host != host:
            continue
        wanted = view.thing(step.action.container)
        for port in wanted.ports:
            holder = next((found for found in engine.containers if found.running and _holds(found.ports, port)), None)
            if holder and holder.id not in ours:
                yield _port_taken(host, wanted, port, f"container {holder.name}, which is not ours")
            elif holder is None and _listened(engine, port):
                yield _port_taken(host, wanted, port, "a process of the host")


def _holds(held: tuple[Port, ...], wanted: Port) -> bool:
    return any(overlap(port, wanted) for port in held)


def _listened(engine: EngineState, wanted: Port) -> bool:
    return any(
        overlap(Port(container=1, host=one.port, protocol=one.protocol, address=one.address), wanted)
        for one in engine.listening or ()
        if one.port == wanted.host and one.protocol == wanted.protocol
    )


def _port_taken(host: str, wanted: Container, port: Port, holder: str) -> Obstacle:
    return Obstacle(
        message=f"{host}: {wanted.name} wants port {port.host}/{port.protocol}, but {holder} has it",
        hint="Stop what has it, or give the container another port in the site's file.",
    )


def _clock(engine: EngineState) -> Iterator[str]:
    if abs(engine.facts.skew) > MOST_SKEW:
        side = "ahead of" if engine.facts.skew > 0 else "behind"
        yield f"{engine.host}: its clock is {abs(engine.facts.skew)} s {side} this one; certificates and logs suffer"


def _unwell(view: View, host: str, plan: Plan) -> Iterator[str]:
    mended = {step.action.container for step in plan.steps if hasattr(step.action, "container")}
    for found in view.standing(host):
        if found.running and not is_well(found) and found.name not in mended:
            yield f"{host}: {found.name} is {found.health if found.health != 'none' else found.status} already"


def _with_spare(size: int) -> int:
    return size * (100 + SPARE_PERCENT) // 100
