"""What the contract of a hypervisor is tried on, behind the same few handles."""

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Protocol

from pyVmomi import vim

from agent.labels import Labels, Owner
from agent.targets.esx.hypervisor import EsxHypervisor
from agent.targets.esx.place import Finder
from agent.targets.esx.session import Session
from agent.targets.hypervisor import Hypervisor
from bundle_format.site.hypervisors import HypervisorAccess, SecretSource
from tests.fake_hypervisor import FakeBox, FakeHypervisor
from tests.fakes import FakeClock
from tests.lab.esx import LabEsx

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


def access_to(lab: LabEsx, **fields: Any) -> HypervisorAccess:
    """The simulated ESX as a site's file names it; it has a network `storage` besides its own."""
    named = {
        "address": lab.address,
        "user": lab.user,
        "password": SecretSource(prompt=True),
        "networks": {"lan": "VM Network", "backup": "storage"},
    }
    return HypervisorAccess.model_validate({**named, **fields})


def marks(name: str, transaction: str = "t1") -> Labels:
    return Labels("shop", "krakow-1", name, name, "2024.3", "{}", "sha256:0", transaction)


class EsxBox:
    """An ESX or a vCenter that answers by the real API."""

    def __init__(self, lab: LabEsx, scratch: Path, closing: ExitStack, **place: Any) -> None:
        """`place` is where on it machines are made, as a site's file says it."""
        self.access = access_to(lab, **place)
        self._lab = lab
        self._scratch = scratch
        self._closing = closing

    def hypervisor(self, owner: Owner = OWNER) -> EsxHypervisor:
        session = Session("lab", self.access, self._lab.password, self._lab.certificate)
        hypervisor = EsxHypervisor(session, owner, self._scratch)
        self._closing.callback(hypervisor.close)
        return hypervisor

    def add_foreign(self, name: str) -> None:
        session, place = self._inside()
        spec = vim.vm.ConfigSpec(
            name=name, memoryMB=64, numCPUs=1, guestId="otherGuest",
            files=vim.vm.FileInfo(vmPathName=f"[{place.datastore.name}]"),
        )  # fmt: skip
        session.wait(place.folder.CreateVM_Task(spec, place.pool), "a machine of somebody else")

    def lose(self, disk: str) -> None:
        session, place = self._inside()
        manager = session.content.virtualDiskManager
        session.wait(manager.DeleteVirtualDisk_Task(disk, place.datacenter), "losing a disk")

    def clear(self) -> None:
        """Leave it as if it were new."""
        session, place = self._inside()
        for machine in list(place.folder.childEntity):
            if machine.runtime.powerState != "poweredOff":
                session.wait(machine.PowerOffVM_Task(), "clearing")
            session.wait(machine.Destroy_Task(), "clearing")
        with suppress(vim.fault.FileNotFound):
            name = f"[{place.datastore.name}] floto-shop-krakow-1"
            session.wait_raw(session.content.fileManager.DeleteDatastoreFile_Task(name, place.datacenter))

    def _inside(self) -> tuple[Session, Any]:
        session = Session("lab", self.access, self._lab.password, self._lab.certificate)
        self._closing.callback(session.close)
        return session, Finder(session).place()
