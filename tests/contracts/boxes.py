"""What the contract of a hypervisor is tried on, behind the same few handles."""

from typing import Protocol

from agent.labels import Labels, Owner
from agent.targets.hypervisor import Hypervisor
from tests.fake_hypervisor import FakeBox, FakeHypervisor
from tests.fakes import FakeClock

OWNER = Owner("shop", "krakow-1")


class Box(Protocol):
    """A hypervisor from outside: what operators and other people do to it."""

    def hypervisor(self, owner: Owner = OWNER) -> Hypervisor: ...

    def add_foreign(self, name: str) -> None: ...

    def lose(self, disk: str) -> None: ...


class FakeLabBox:
    def __init__(self) -> None:
        self.box = FakeBox(FakeClock())

    def hypervisor(self, owner: Owner = OWNER) -> Hypervisor:
        return FakeHypervisor(self.box, owner)

    def add_foreign(self, name: str) -> None:
        self.box.add_foreign(name)

    def lose(self, disk: str) -> None:
        del self.box.files[disk]


def marks(name: str, transaction: str = "t1") -> Labels:
    return Labels("shop", "krakow-1", name, name, "2024.3", "{}", "sha256:0", transaction)
