"""A hypervisor in memory that keeps a hypervisor's promises, on the clock of the fakes, and can fail at every moment.

A FakeBox is the hypervisor itself: it survives the agent. A FakeHypervisor is one agent's connection to it; `hook` is
called before, amid and after each effect, as that of a FakeEngine.
"""

import copy
import itertools
import json
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from agent.labels import Labels, Owner
from agent.machines.state import Attached, DiskState, HypervisorState, MachineState, Power
from agent.targets.engine import Blobs
from agent.targets.hypervisor import Blueprint, Hardware
from bundle_format.digest import Digest, digest_of
from bundle_format.errors import TargetError
from bundle_format.progress import Progress
from tests.fakes import FakeClock, FakeDaemon, Moment

BOOT_SECONDS = 20
"""From power to tools, an address and an engine."""


@dataclass
class FakeFile:
    """A data disk: its size, and what the guests wrote to it; `daemon` is an engine whose root lies on it."""

    size: int
    uuid: str
    files: dict[str, bytes] = field(default_factory=dict)
    daemon: FakeDaemon | None = None


@dataclass
class FakeMachine:
    id: str
    name: str
    hardware: Hardware
    labels: Labels | None
    image: Digest | None
    guest: Mapping[str, str]
    disks: list[str] = field(default_factory=list)
    power: Power = "off"
    since: float = 0.0
    daemon: FakeDaemon | None = None
    snapshots: dict[str, "FakeSnapshot"] = field(default_factory=dict)


@dataclass
class FakeSnapshot:
    """What a machine had, and an engine whose root was on the machine's own disk."""

    hardware: Hardware
    labels: Labels | None
    daemon: FakeDaemon | None = None


class FakeBox:
    """A hypervisor; `engine_on_disk`: guests keep their engine's root on their first data disk."""

    def __init__(self, clock: FakeClock, name: str = "default", *, engine_on_disk: bool = False) -> None:
        self.clock = clock
        self.name = name
        self.engine_on_disk = engine_on_disk
        self.up = True
        self.deaf = False
        """Whether guests come up without tools and address."""
        self.free = 1 << 40
        self.networks = {"lan", "backup"}
        self.faults: list[str] = []
        self.no_autostart = ""
        self.machines: dict[str, FakeMachine] = {}
        self.files: dict[str, FakeFile] = {}
        self.numbers = itertools.count(1)

    def find(self, key: str) -> FakeMachine | None:
        named = (machine for machine in self.machines.values() if machine.name == key)
        return self.machines.get(key) or next(named, None)

    def add_foreign(self, name: str) -> str:
        """A machine that somebody else made."""
        number = f"vm-{next(self.numbers)}"
        self.machines[number] = FakeMachine(number, name, Hardware(1, 1 << 30), None, None, {})
        return number

    def awake(self, machine: FakeMachine) -> bool:
        """Whether its guest has come up."""
        return machine.power == "on" and not self.deaf and self.clock.now - machine.since >= BOOT_SECONDS

    def address(self, machine: FakeMachine) -> str | None:
        """Where its guest answers, as its metadata for cloud-init say."""
        network = _decoded(machine.guest, "guestinfo.metadata").get("network", {}).get("ethernets", {})
        addresses = [address for card in network.values() for address in card.get("addresses", ())]
        return addresses[0].partition("/")[0] if addresses and self.awake(machine) else None

    def daemon_at(self, address: str) -> FakeDaemon | None:
        """The engine that answers at an address."""
        for machine in self.machines.values():
            if self.address(machine) == address:
                return self._daemon(machine)
        return None

    def power_off(self, machine: FakeMachine) -> None:
        """The power goes, and with it all that ran."""
        daemon = self._daemon(machine)
        if machine.power == "on" and daemon.up:
            daemon.crash()
        machine.power = "off"

    def power_on(self, machine: FakeMachine) -> None:
        machine.power, machine.since = "on", self.clock.now
        daemon = self._daemon(machine)
        if not daemon.up:
            daemon.boot()

    def snapshot(self, machine: FakeMachine) -> FakeSnapshot:
        """A machine as it is, its data disks left out."""
        daemon = None if self.engine_on_disk else self.copied(machine.daemon)
        if daemon and daemon.up:
            daemon.crash()
        return FakeSnapshot(machine.hardware, machine.labels, daemon)

    def copied(self, daemon: FakeDaemon | None) -> FakeDaemon | None:
        """An engine with all that it holds, on the same clock."""
        return copy.deepcopy(daemon, {id(self.clock): self.clock})

    def _daemon(self, machine: FakeMachine) -> FakeDaemon:
        file = self.files.get(machine.disks[0]) if self.engine_on_disk and machine.disks else None
        if file:
            file.daemon = machine.daemon = file.daemon or FakeDaemon(self.clock, f"{machine.disks[0]}")
        machine.daemon = machine.daemon or FakeDaemon(self.clock, machine.id)
        return machine.daemon


class FakeHypervisor:
    """One agent's connection to a FakeBox; a Hypervisor."""

    def __init__(self, box: FakeBox, owner: Owner, hook: Callable[[Moment], None] | None = None) -> None:
        self.name = box.name
        self._box = box
        self._owner = owner
        self._hook = hook or (lambda moment: None)

    def observe(self) -> HypervisorState:
        self._reach()
        box = self._box
        return HypervisorState(
            name=self.name,
            product="Fake 1.0",
            machines=tuple(self._state(machine) for machine in box.machines.values()),
            disks={
                path.removeprefix(self._folder).removesuffix(".vmdk"): DiskState(path, file.size, file.uuid)
                for path, file in box.files.items()
                if path.startswith(self._folder)
            },
            networks=frozenset(box.networks),
            free=box.free,
            free_for_disks=box.free,
            faults=tuple(box.faults),
            no_autostart=box.no_autostart,
        )

    def inspect(self, machine: str) -> MachineState | None:
        self._reach()
        found = self._box.find(machine)
        return self._state(found) if found else None

    def create_machine(self, blueprint: Blueprint, name: str, labels: Labels, blobs: Blobs, progress: Progress) -> str:
        with self._effect("create_machine", name):
            if found := self._box.find(name):
                if found.labels is None or found.labels.owner != self._owner or found.power == "on":
                    raise TargetError(f"{self.name}: the name {name} is taken")
                self.remove_machine(name)
            missing = {card.network for card in blueprint.cards} - self._box.networks
            if missing:
                raise TargetError(f"{self.name}: nothing plays the network {', '.join(sorted(missing))}")
            if blueprint.image.size > self._box.free:
                raise TargetError(f"{self.name}: no space left")
            with blobs.open(blueprint.image.disk) as stream:
                assert digest_of(stream.read()) == blueprint.image.disk
            self._hook(Moment("amid", "create_machine", name))
            number = f"vm-{next(self._box.numbers)}"
            self._box.machines[number] = FakeMachine(
                number, name, blueprint.hardware, labels, blueprint.image.disk, blueprint.guest
            )
            return number

    def change(self, machine: str, hardware: Hardware, labels: Labels) -> None:
        with self._effect("change", machine):
            found = self._resting(machine)
            found.hardware, found.labels = hardware, labels

    def rename(self, machine: str, name: str) -> None:
        with self._effect("rename_machine", name):
            found = self._own(machine)
            other = self._box.find(name)
            if other and other is not found:
                raise TargetError(f"{self.name}: the name {name} is taken")
            found.name = name

    def start(self, machine: str) -> None:
        with self._effect("start_machine", machine):
            found = self._own(machine)
            if found.power == "on":
                return
            held = {disk for other in self._box.machines.values() if other.power == "on" for disk in other.disks}
            assert not held & set(found.disks), "two machines write to one disk"
            self._box.power_on(found)

    def stop(self, machine: str, grace: int, *, hard: bool) -> None:
        with self._effect("stop_machine", machine):
            if self._box.find(machine) is None:
                return
            found = self._own(machine)
            if found.power != "off":
                self._box.clock.sleep(min(grace, 5))
                self._box.power_off(found)

    def remove_machine(self, machine: str) -> None:
        with self._effect("remove_machine", machine):
            if self._box.find(machine) is None:
                return
            found = self._resting(machine)
            if found.disks:
                raise TargetError(f"{self.name}: machine {found.name} still has data disks")
            del self._box.machines[found.id]

    def ensure_disk(self, disk: str, size: int) -> DiskState:
        path = f"{self._folder}{disk}.vmdk"
        with self._effect("ensure_disk", disk):
            if path not in self._box.files:
                if size > self._box.free:
                    raise TargetError(f"{self.name}: no space left")
                self._box.files[path] = FakeFile(size, f"uuid-{next(self._box.numbers)}")
            file = self._box.files[path]
            return DiskState(path, file.size, file.uuid)

    def attach(self, machine: str, disks: Sequence[str]) -> None:
        with self._effect("attach", machine):
            found = self._resting(machine)
            for path in disks:
                if path not in self._box.files:
                    raise TargetError(f"{self.name}: data disk {path} is not there")
                holder = self._holder(path)
                if holder not in (None, found):
                    raise TargetError(f"{self.name}: data disk {path} is attached elsewhere")
                if holder is None:
                    found.disks.append(path)
                    self._hook(Moment("amid", "attach", machine))

    def detach(self, machine: str, disks: Sequence[str]) -> None:
        with self._effect("detach", machine):
            found = self._resting(machine)
            for path in disks:
                if path in found.disks:
                    found.disks.remove(path)
                    self._hook(Moment("amid", "detach", machine))
                if path not in self._box.files:
                    raise TargetError(f"{self.name}: data disk {path} is not there")

    def grow_disk(self, machine: str, disk: str, size: int) -> None:
        with self._effect("grow_disk", disk):
            file = self._box.files[disk]
            if size < file.size:
                raise TargetError(f"{self.name}: data disk {disk} would shrink")
            file.size = size

    def remove_disk(self, disk: str) -> None:
        with self._effect("remove_disk", disk):
            if self._holder(disk):
                raise TargetError(f"{self.name}: data disk {disk} is attached")
            self._box.files.pop(disk, None)

    def take_snapshot(self, machine: str, snapshot: str) -> None:
        with self._effect("take_snapshot", machine):
            found = self._own(machine)
            found.snapshots.setdefault(snapshot, self._box.snapshot(found))

    def revert(self, machine: str, snapshot: str) -> None:
        with self._effect("revert", machine):
            found = self._resting(machine)
            if snapshot not in found.snapshots:
                raise TargetError(f"{self.name}: machine {found.name} has no snapshot {snapshot}")
            kept = found.snapshots[snapshot]
            found.hardware, found.labels, found.daemon = kept.hardware, kept.labels, self._box.copied(kept.daemon)

    def drop_snapshot(self, machine: str, snapshot: str) -> None:
        with self._effect("drop_snapshot", machine):
            self._own(machine).snapshots.pop(snapshot, None)

    def export(self, machine: str, out: BinaryIO, progress: Progress) -> None:
        self._resting(machine)
        out.write(b"OVA")

    def close(self) -> None:
        pass

    @property
    def _folder(self) -> str:
        return f"[store] floto-{self._owner.product}-{self._owner.site}/"

    def _holder(self, path: str) -> FakeMachine | None:
        return next((machine for machine in self._box.machines.values() if path in machine.disks), None)

    def _state(self, machine: FakeMachine) -> MachineState:
        box = self._box
        files = {path: box.files[path] for path in machine.disks if path in box.files}
        return MachineState(
            id=machine.id,
            name=machine.name,
            power=machine.power,
            labels=machine.labels,
            cpus=machine.hardware.cpus,
            memory=machine.hardware.memory,
            autostart=machine.hardware.autostart,
            disks=tuple(Attached(path, file.uuid, file.size, kept=True) for path, file in files.items()),
            tools=box.awake(machine),
            address=box.address(machine),
            snapshots=tuple(machine.snapshots),
        )

    def _own(self, machine: str) -> FakeMachine:
        found = self._box.find(machine)
        if found is None:
            raise TargetError(f"{self.name}: there is no machine {machine}")
        if found.labels is None or found.labels.owner != self._owner:
            raise TargetError(f"{self.name}: machine {found.name} is not ours; it was left untouched")
        return found

    def _resting(self, machine: str) -> FakeMachine:
        found = self._own(machine)
        if found.power != "off":
            raise TargetError(f"{self.name}: machine {found.name} has power")
        return found

    def _reach(self) -> None:
        if not self._box.up:
            raise TargetError(f"{self.name}: the hypervisor cannot be reached")

    @contextmanager
    def _effect(self, verb: str, subject: str) -> Iterator[None]:
        self._hook(Moment("before", verb, subject))
        self._reach()
        yield
        self._hook(Moment("after", verb, subject))


def _decoded(guest: Mapping[str, str], key: str) -> dict[str, Any]:
    text = b64decode(guest.get(key, "")).decode() or "{}"
    value = json.loads(text.removeprefix("#cloud-config\n"))
    assert isinstance(value, dict)
    return value
