"""What hypervisors report: machines, disks and room as they are now, in values of our own. Sizes are bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from agent.labels import Labels
from bundle_format.release.value import Value

Power = Literal["on", "off", "suspended"]


@dataclass(frozen=True, slots=True)
class Attached:
    """A disk of a machine: where its file lies, such as `[datastore1] floto/db.vmdk`; `kept`: it is a data disk."""

    path: str
    uuid: str
    size: int
    kept: bool = False


@dataclass(frozen=True, slots=True)
class MachineState:
    """A machine, ours (with labels) or not; `id` lasts as long as it, `address` is what its tools tell."""

    id: str
    name: str
    power: Power
    labels: Labels | None = None
    cpus: int = 0
    memory: int = 0
    autostart: int | None = None
    disks: tuple[Attached, ...] = ()
    tools: bool = False
    address: str | None = None
    snapshots: tuple[str, ...] = ()

    @property
    def running(self) -> bool:
        """Whether it has power."""
        return self.power == "on"

    @property
    def data_disks(self) -> tuple[Attached, ...]:
        """The disks that outlive it."""
        return tuple(disk for disk in self.disks if disk.kept)


@dataclass(frozen=True, slots=True)
class DiskState:
    """A data disk's file; `size` is 0 where the hypervisor does not tell it of one that no machine holds."""

    path: str
    size: int
    uuid: str = ""


class KnownDisk(Value):
    """A data disk that this site has seen: it must be found again where it was, or nothing is touched."""

    name: str
    hypervisor: str
    path: str
    uuid: str
    size: int


@dataclass(frozen=True, slots=True)
class HypervisorState:
    """All of a hypervisor at one moment, as far as one product on one site is concerned.

    `disks` are the data disks of this owner, by name; `free` tells of `datastore` and `disk_datastore`; `networks` are
    the roles that can be played; `faults` say what is wrong with the place that the site's file describes, all of it.
    `one_datastore`: data disks lie where machines do. `no_autostart`: why machines do not start by themselves there.
    """

    name: str
    product: str
    machines: tuple[MachineState, ...] = ()
    disks: Mapping[str, DiskState] = field(default_factory=dict)
    networks: frozenset[str] = frozenset()
    free: int | None = None
    free_for_disks: int | None = None
    faults: tuple[str, ...] = ()
    prefix: str = ""
    one_datastore: bool = True
    no_autostart: str = ""

    def machine_name(self, host: str) -> str:
        """What the machine of a host is called there."""
        return self.prefix + host

    def machine(self, name: str) -> MachineState | None:
        """The machine of that name, whoever made it."""
        return next((machine for machine in self.machines if machine.name == name), None)
