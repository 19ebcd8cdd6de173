"""What the agent can do to machines and data disks: one frozen class an action, as those in steps.py."""

from typing import Literal

from bundle_format.release.value import Value

GRACE = 120
"""Seconds that a guest gets to shut down."""


class StandingMachine(Value):
    """A machine as it stood when the plan was made; `disks` are the paths of the data disks that it had."""

    id: str
    name: str
    running: bool
    disks: tuple[str, ...] = ()


class Figures(Value):
    """What a machine has that can be changed, and the labels that tell of it; `memory` in bytes."""

    cpus: int
    memory: int
    autostart: int | None = None
    labels: dict[str, str]


class MakeDisk(Value):
    """Make a data disk that was never there; `size` in bytes."""

    kind: Literal["disk"] = "disk"
    host: str
    hypervisor: str
    disk: str
    size: int


class DraftMachine(Value):
    """Make a machine from its image under its draft name, without power."""

    kind: Literal["draft-machine"] = "draft-machine"
    host: str
    hypervisor: str
    machine: str


class CreateMachine(Value):
    """Give a drafted machine its name and its data disks, start it, and wait until its engine answers.

    `disks` are names; those that are smaller than `sizes` say grow. `hard`: its power may be cut.
    """

    kind: Literal["create-machine"] = "create-machine"
    host: str
    hypervisor: str
    machine: str
    disks: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    hard: bool = False


class ReplaceMachine(Value):
    """Shut down the machine that has the name, set it aside without its data disks, then do as CreateMachine does.

    `fresh`: the new one's engine begins with nothing; else its root lies on a data disk that moves over, and all of
    `held` (ids of containers, names of volumes) has to be there: another one would begin with nothing, and look well.
    """

    kind: Literal["replace-machine"] = "replace-machine"
    fresh: bool
    held: tuple[str, ...] = ()
    host: str
    hypervisor: str
    machine: str
    standing: StandingMachine
    disks: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    hard: bool = False


class ChangeMachine(Value):
    """Shut a machine down, give it other hardware or larger data disks, start it, and wait until its engine answers."""

    kind: Literal["change-machine"] = "change-machine"
    host: str
    hypervisor: str
    machine: str
    standing: StandingMachine
    disks: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    hard: bool = False
    before: Figures
    after: Figures


class DiscardMachine(Value):
    """Remove a machine that an earlier apply left behind under a passing name; its data disks are taken off before."""

    kind: Literal["discard-machine"] = "discard-machine"
    host: str
    hypervisor: str
    machine: str


class TakeSnapshot(Value):
    """Keep a machine as it is, without its data disks, until all is well or taken back; `hard`: as with the others."""

    kind: Literal["snapshot"] = "snapshot"
    host: str
    hypervisor: str
    machine: str
    hard: bool = False


MachineAction = MakeDisk | DraftMachine | CreateMachine | ReplaceMachine | ChangeMachine | DiscardMachine | TakeSnapshot
Placing = CreateMachine | ReplaceMachine | ChangeMachine
