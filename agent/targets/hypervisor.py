"""What the agent asks of a hypervisor: few verbs, each of which may be repeated after an interruption."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Literal, Protocol

from agent.labels import Labels
from agent.machines.state import DiskState, HypervisorState, MachineState
from agent.targets.engine import Blobs
from bundle_format.errors import TargetError
from bundle_format.progress import Progress
from bundle_format.release.model import MachineImage


class HeldError(TargetError):
    """A machine cannot be changed now: an upload that was cut short holds it, and goes by itself after a while."""


@dataclass(frozen=True, slots=True)
class Card:
    """A network card: the role of its network, and its own address on the wire."""

    network: str
    mac: str


@dataclass(frozen=True, slots=True)
class Hardware:
    """What can be changed on a machine that exists; `memory` is in bytes, `autostart` None for by hand."""

    cpus: int
    memory: int
    autostart: int | None = None


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A machine to be made; `guest` are values for its guest (guestinfo), which may hold secrets."""

    image: MachineImage
    hardware: Hardware
    cards: tuple[Card, ...]
    firmware: Literal["bios", "efi"] = "bios"
    guest: Mapping[str, str] = field(default_factory=dict, repr=False)


class Hypervisor(Protocol):
    """One hypervisor, acting for one product on one site.

    Machines are named by their id or name. Every verb raises TargetError with the hypervisor, what was left untouched
    and a remedy; every one that changes refuses a machine that does not carry the labels of its owner.
    """

    name: str

    def observe(self) -> HypervisorState:
        """Everything there is, ours or not; what is wrong with the site's file about it is told, not raised."""

    def inspect(self, machine: str) -> MachineState | None:
        """One machine as it is now; None if there is none of that id or name."""

    def create_machine(self, blueprint: Blueprint, name: str, labels: Labels, blobs: Blobs, progress: Progress) -> str:
        """Make a machine called `name` from its image, without power; its id.

        Done means that the hypervisor has proved the image's bytes. One of that name with our labels and without power
        is taken away first: it is a draft that was cut short. Nothing half-made stays behind.
        """

    def change(self, machine: str, hardware: Hardware, labels: Labels) -> None:
        """Give a machine without power other hardware and the labels that tell of it; done if it has them."""

    def rename(self, machine: str, name: str) -> None:
        """Give a machine another name; done if it has it. TargetError if another one has it."""

    def start(self, machine: str) -> None:
        """Give a machine power, and autostart if its hardware says so; done if it has it.

        What it does with the power, `inspect` tells.
        """

    def stop(self, machine: str, grace: int, *, hard: bool) -> None:
        """Ask the guest to shut down and wait for `grace` seconds; done if it has no power or is gone.

        Its autostart is taken before, so that it stays without power when the hypervisor's own power fails. Then the
        power is cut if `hard`, or if the guest has no tools that could be asked; else TargetError.
        """

    def remove_machine(self, machine: str) -> None:
        """Remove a machine without power, with its own disk; done if it is gone.

        TargetError while a data disk is attached, for that would go with it; HeldError while it is being made.
        """

    def ensure_disk(self, disk: str, size: int) -> DiskState:
        """Make the data disk of that name if its file is missing; one that exists is left as it is."""

    def attach(self, machine: str, disks: Sequence[str]) -> None:
        """Give a machine without power the data disks at these paths, in this order; done for those that it has.

        TargetError if a file is missing or another machine has it.
        """

    def detach(self, machine: str, disks: Sequence[str]) -> None:
        """Take the data disks at these paths from a machine without power, their files untouched and seen to be there.

        Done for those that it does not have.
        """

    def grow_disk(self, machine: str, disk: str, size: int) -> None:
        """Make an attached data disk larger; done if it has the size. TargetError if that would shrink it."""

    def remove_disk(self, disk: str) -> None:
        """Remove the file at this path with ALL its data; only `purge` asks for it. Done if it is gone.

        TargetError while a machine has it.
        """

    def take_snapshot(self, machine: str, snapshot: str) -> None:
        """Keep a machine as it is now, without its memory, under a name; done if it is there."""

    def revert(self, machine: str, snapshot: str) -> None:
        """Make a machine without power what it was when the snapshot was taken."""

    def drop_snapshot(self, machine: str, snapshot: str) -> None:
        """Forget a snapshot, what was written since stays; done if it is gone."""

    def export(self, machine: str, out: BinaryIO, progress: Progress) -> None:
        """Write a machine without power as an OVA, its data disks among it; it stays untouched."""

    def close(self) -> None:
        """Let go of the connection."""
