"""What a person must settle before machines can be made or replaced: above all, that no data get lost."""

from collections.abc import Iterator, Mapping

from agent.machines.actions import DraftMachine, MakeDisk, ReplaceMachine
from agent.machines.spec import disks_in, machine_in
from agent.machines.state import HypervisorState
from agent.planning.machines import covers, managed, root_lasts
from agent.planning.order import Entry
from agent.planning.view import View
from agent.steps import Obstacle
from bundle_format.release.fittings import HostMount
from bundle_format.shown.sizes import size_text

SPARE_PERCENT = 10
_PASSING = ("/run", "/var/run", "/dev", "/proc", "/sys", "/tmp", "/etc/localtime", "/etc/timezone")  # noqa: S108


def machine_obstacles(view: View, entries: Mapping[str, Entry]) -> Iterator[Obstacle]:
    """Hypervisors that do not answer, names of others, data disks that are missing, data that would be lost."""
    yield from _silent(view)
    seen = set[str]()
    for host, _, hypervisor in managed(view.deployment, view.state):
        if not view.chosen_host(host):
            continue
        if hypervisor.name not in seen:
            seen.add(hypervisor.name)
            yield from _place(view, hypervisor, entries)
        yield from _name(view, hypervisor, host)
        yield from _networks(view, hypervisor, host)
        yield from _disks(view, hypervisor, host)
        yield from _address(view, host)
        yield from _switched_off(view, hypervisor, host, entries)
    for entry in entries.values():
        if isinstance(entry.action, ReplaceMachine):
            yield from _losses(view, entry.action.host)


def _silent(view: View) -> Iterator[Obstacle]:
    needs = {
        name: host.machine.hypervisor if host.machine else ""
        for name, host in view.deployment.hosts.items()
        if view.chosen_host(name)
    }
    silent = view.state.silent_hypervisors
    others = [name for name, hypervisor in needs.items() if hypervisor not in silent]
    without = "Bring it back, or leave its hosts out by naming the others: --only HOST"
    for name, why in silent.items():
        if name in needs.values():
            yield Obstacle(message=why, hint=without if others else "Bring it back.")


def _place(view: View, hypervisor: HypervisorState, entries: Mapping[str, Entry]) -> Iterator[Obstacle]:
    for fault in hypervisor.faults:
        yield Obstacle(
            message=f"hypervisor {hypervisor.name}: {fault}",
            hint=f"Mend [hypervisors.{hypervisor.name}] in the site's file.",
        )
    actions = [entry.action for entry in entries.values()]
    images = sum(
        view.deployment.machine_images[machine_in(view.deployment.hosts[action.host]).image].size
        for action in actions
        if isinstance(action, DraftMachine) and action.hypervisor == hypervisor.name
    )
    disks = sum(
        action.size for action in actions if isinstance(action, MakeDisk) and action.hypervisor == hypervisor.name
    )
    wanted = [("machines", images, hypervisor.free), ("data disks", disks, hypervisor.free_for_disks)]
    if hypervisor.one_datastore:
        wanted = [("machines and data disks", images + disks, hypervisor.free)]
    for what, size, free in wanted:
        needed = size * (100 + SPARE_PERCENT) // 100
        if free is not None and needed > free:
            yield Obstacle(
                message=f"hypervisor {hypervisor.name}: {what} need {size_text(needed)} on the datastore; "
                f"{size_text(free)} are free",
                hint="Free space there, or name another datastore in the site's file.",
            )


def _name(view: View, hypervisor: HypervisorState, host: str) -> Iterator[Obstacle]:
    name = hypervisor.machine_name(host)
    found = hypervisor.machine(name)
    if found and (found.labels is None or found.labels.owner != view.owner):
        yield Obstacle(
            message=f"hypervisor {hypervisor.name}: the name {name} belongs to a machine that is not ours",
            hint=f"Rename that one, or set a prefix under [hypervisors.{hypervisor.name}] in the site's file.",
        )


def _networks(view: View, hypervisor: HypervisorState, host: str) -> Iterator[Obstacle]:
    wanted = {card.network for card in machine_in(view.deployment.hosts[host]).nics}
    missing = sorted(wanted - hypervisor.networks)
    if missing and not hypervisor.faults:
        yield Obstacle(
            message=f"{host}: no port group of hypervisor {hypervisor.name} plays {', '.join(missing)}",
            hint=f"Name it under [hypervisors.{hypervisor.name}.networks] in the site's file.",
        )


def _disks(view: View, hypervisor: HypervisorState, host: str) -> Iterator[Obstacle]:
    for disk in disks_in(view.deployment, host):
        known, there = view.history.disks.get(disk.name), hypervisor.disks.get(disk.name)
        if known and (there is None or there.path != known.path):
            found = f"; one lies at {there.path}" if there else ""
            yield Obstacle(
                message=f"{host}: data disk {disk.name} is not where it was: {known.path} is missing{found}",
                hint="Find out who moved it and put it back. If its data are lost for good: "
                f"floto-agent purge disk {disk.name}, and an empty one is made.",
            )
        elif known and there and known.uuid and there.uuid and known.uuid != there.uuid:
            yield Obstacle(
                message=f"{host}: {there.path} is not the data disk {disk.name} of this site: it has another id",
                hint=f"The known one has the id {known.uuid}. Put it back in its place.",
            )
        size = max(there.size, known.size if known else 0) if there else 0
        if there and size > disk.size:
            yield Obstacle(
                message=f"{host}: data disk {disk.name} has {size_text(size)}, the release wants "
                f"{size_text(disk.size)}; disks never shrink",
                hint="Give it at least its size of today in the definition or the site's file.",
            )


def _address(view: View, host: str) -> Iterator[Obstacle]:
    if view.deployment.hosts[host].access is None:
        yield Obstacle(
            message=f"{host}: its machine gets its address by DHCP, so nobody knows yet where its engine will be",
            hint=f'Say it in the site\'s file: [hosts.{host}] with engine = "tcp://NAME:2376" or "ssh://...", '
            "or give its first card a fixed address.",
        )


def _switched_off(
    view: View, hypervisor: HypervisorState, host: str, entries: Mapping[str, Entry]
) -> Iterator[Obstacle]:
    found = hypervisor.machine(hypervisor.machine_name(host))
    placed = any(isinstance(entry.action, ReplaceMachine) and entry.action.host == host for entry in entries.values())
    if not found or found.running or (placed and not root_lasts(view.deployment, host)):
        return
    if found.labels is not None and found.labels.owner == view.owner:
        yield Obstacle(
            message=f"{host}: its machine is {'suspended' if found.power == 'suspended' else 'switched off'}, so "
            "nobody can tell what runs there",
            hint=f"Start it: floto-agent start {host}",
        )


def _losses(view: View, host: str) -> Iterator[Obstacle]:
    """What lies on the disk that goes with the machine."""
    disks = disks_in(view.deployment, host)
    if host in view.wishes.unprotect:
        return
    if not root_lasts(view.deployment, host) and (volumes := sorted(view.volumes(host) | _there(view, host))):
        yield Obstacle(
            message=f"{host}: its machine is to be made anew, and volume {', '.join(volumes)} lies on the disk that "
            "goes with it",
            hint="Let the definition put /var/lib/docker on a data_disk(); or, if the data may go: "
            f"--unprotect {host} (floto-agent backup keeps them before).",
        )
    paths = {
        mount.source
        for thing in view.things(host)
        for mount in thing.mounts
        if isinstance(mount, HostMount) and not mount.read_only and not mount.source.startswith(_PASSING)
    }
    if lost := sorted(path for path in paths if not any(covers(disk, path) for disk in disks)):
        yield Obstacle(
            message=f"{host}: its machine is to be made anew, and {', '.join(lost)} lies on the disk that goes with it",
            hint=f"Let the definition put it on a data_disk(); or, if the data may go: --unprotect {host}",
        )


def _there(view: View, host: str) -> set[str]:
    engine = view.state.engines.get(host)
    return {volume.name for volume in engine.volumes if volume.labels} if engine else set()
