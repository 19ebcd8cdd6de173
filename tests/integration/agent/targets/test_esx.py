"""What goes wrong between the agent and an ESX: nothing is lost, nothing foreign is touched, no ghosts are left."""

import io
import os
import socket
import ssl
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from pyVmomi import vim

from agent.labels import Labels
from agent.targets import pin
from agent.targets.esx.hypervisor import EsxHypervisor
from agent.targets.esx.reading import disks_of
from agent.targets.esx.session import Session
from agent.targets.hypervisor import Blueprint, Card, Hardware, HeldError
from agent.targets.pin import fetch_certificate, thumbprint_of
from bundle_format.errors import TargetError
from bundle_format.progress import Silence
from bundle_format.release.model import MachineImage
from bundle_format.store import Store
from tests.contracts.boxes import OWNER, access_to, marks
from tests.images import Shelf
from tests.lab.clients import client, wait_until
from tests.lab.esx import LabEsx, esx_missing

MIB = 1 << 20


@pytest.fixture(scope="module")
def esx() -> Iterator[LabEsx]:
    if why := esx_missing():
        pytest.skip(why)
    with LabEsx(datastores={"fast": 1 << 40, "small": 4 * MIB}, networks=["storage"]) as started:
        yield started


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def session(lab: LabEsx, *, password: str | None = None, certificate: str | None = None) -> Session:
    access = access_to(lab, datastore="fast")
    return Session("lab", access, password or lab.password, certificate or lab.certificate)


def opened(lab: LabEsx, closing: ExitStack, scratch: Path, **fields: object) -> EsxHypervisor:
    access = access_to(lab, **{"datastore": "fast", **fields})
    hypervisor = EsxHypervisor(Session("lab", access, lab.password, lab.certificate), OWNER, scratch)
    closing.callback(hypervisor.close)
    return hypervisor


def blueprint(shelf: Shelf, raw: bytes = b"a disk".ljust(MIB, b"\0")) -> Blueprint:
    image = MachineImage(disk=shelf.put(raw), size=len(raw))
    return Blueprint(image, Hardware(1, 64 * MIB), (Card("lan", "00:50:56:0a:00:01"),))


def make(hypervisor: EsxHypervisor, shelf: Shelf, name: str, labels: Labels | None = None) -> str:
    return hypervisor.create_machine(blueprint(shelf), name, labels or marks(name), shelf, Silence())


def names(hypervisor: EsxHypervisor) -> set[str]:
    return {machine.name for machine in hypervisor.observe().machines}


def test_a_wrong_password_says_so_and_never_itself(esx: LabEsx) -> None:
    with pytest.raises(TargetError, match="refuses the user root or the password") as refused:
        session(esx, password="hunter2")

    assert "hunter2" not in refused.value.message + refused.value.hint


def test_another_certificate_is_refused_before_anything_is_sent(esx: LabEsx, tmp_path: Path) -> None:
    with LabEsx() as other, pytest.raises(TargetError, match="shows another certificate"):
        session(esx, certificate=other.certificate)


def test_the_thumbprint_is_the_one_that_a_console_shows(esx: LabEsx) -> None:
    certificate = fetch_certificate("lab", esx.host, esx.port)

    assert certificate == ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(esx.certificate))
    assert thumbprint_of(certificate).replace(":", "").lower() == esx.thumbprint


def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pin, "GREETING_SECONDS", 0.5)
    with socket.create_server(("127.0.0.2", 0)) as silent, pytest.raises(TargetError, match="cannot be reached"):
        fetch_certificate("lab", "127.0.0.2", silent.getsockname()[1])


def test_a_session_that_ends_in_the_middle_is_begun_anew(esx: LabEsx, closing: ExitStack, tmp_path: Path) -> None:
    hypervisor, shelf = opened(esx, closing, tmp_path), Shelf()
    esx.expire_sessions()
    number = make(hypervisor, shelf, "tired")
    esx.expire_sessions()
    hypervisor.start(number)
    esx.expire_sessions()

    found = hypervisor.inspect(number)
    assert found
    assert found.running
    hypervisor.stop(number, 0, hard=True)
    hypervisor.remove_machine(number)


def test_threat_38_a_lease_that_is_lost_leaves_no_ghost(esx: LabEsx, closing: ExitStack, tmp_path: Path) -> None:
    hypervisor, shelf = opened(esx, closing, tmp_path), Shelf()
    before = names(hypervisor)
    esx.cut_upload(after=MIB)
    wanted = blueprint(shelf, os.urandom(4 * MIB))

    with pytest.raises(TargetError, match="given up"):
        hypervisor.create_machine(wanted, "lost", marks("lost"), shelf, Silence())

    assert names(hypervisor) == before
    assert list(tmp_path.iterdir()) == []
    hypervisor.remove_machine(hypervisor.create_machine(wanted, "lost", marks("lost"), shelf, Silence()))


@pytest.fixture(scope="module")
def hasty() -> Iterator[LabEsx]:
    """An ESX whose leases die within two seconds, and that takes its time with uploads."""
    if why := esx_missing():
        pytest.skip(why)
    with LabEsx("-lease=2s", "-transfer-delay=1s", datastores={"fast": 1 << 40}, networks=["storage"]) as started:
        yield started


def test_an_upload_may_take_longer_than_a_lease_lives_unheard(
    hasty: LabEsx, closing: ExitStack, tmp_path: Path
) -> None:
    hypervisor, shelf = opened(hasty, closing, tmp_path), Shelf()

    hypervisor.create_machine(blueprint(shelf, os.urandom(4 * MIB)), "slow", marks("slow"), shelf, Silence())

    assert "slow" in names(hypervisor)


def test_a_draft_that_an_upload_holds_goes_once_its_lease_is_over(
    hasty: LabEsx, closing: ExitStack, tmp_path: Path
) -> None:
    hypervisor = opened(hasty, closing, tmp_path)
    lease = hypervisor._lease(blueprint(Shelf()), "held", marks("held"), MIB)  # as if its maker had been killed
    assert hasty.calls().leases == 1

    with pytest.raises(HeldError, match="machine held is held by another task"):
        hypervisor.remove_machine("held")

    wait_until(lambda: hasty.calls().leases == 0)
    hypervisor.remove_machine("held")
    assert "held" not in names(hypervisor)
    with pytest.raises(TargetError):
        lease.complete()


def test_a_disk_that_is_not_what_was_signed_never_becomes_a_machine(
    esx: LabEsx, closing: ExitStack, tmp_path: Path
) -> None:
    hypervisor = opened(esx, closing, tmp_path)
    store = Store(tmp_path / "store")
    digest = store.add_bytes(b"a disk".ljust(MIB, b"\0")).digest
    path = next((tmp_path / "store").glob("blobs/??/*"))
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)
    card = Card("lan", "00:50:56:0a:00:03")
    wanted = Blueprint(MachineImage(disk=digest, size=MIB), Hardware(1, 64 * MIB), (card,))

    with pytest.raises(Exception, match=r"damaged|content"):
        hypervisor.create_machine(wanted, "rotten", marks("rotten"), store, Silence())

    assert "rotten" not in names(hypervisor)


def test_no_space_on_the_datastore_is_told_and_leaves_nothing(esx: LabEsx, closing: ExitStack, tmp_path: Path) -> None:
    hypervisor, shelf = opened(esx, closing, tmp_path, datastore="small"), Shelf()
    wanted = blueprint(shelf, os.urandom(6 * MIB))

    with pytest.raises(TargetError):
        hypervisor.create_machine(wanted, "large", marks("large"), shelf, Silence())

    assert "large" not in names(hypervisor)


def test_a_fault_of_a_task_reaches_the_person_with_its_remedy(esx: LabEsx, closing: ExitStack, tmp_path: Path) -> None:
    hypervisor, shelf = opened(esx, closing, tmp_path), Shelf()
    number = make(hypervisor, shelf, "full")
    esx.fail("PowerOnVM_Task", "NoDiskSpace")

    with pytest.raises(TargetError, match="starting machine full failed") as failed:
        hypervisor.start(number)

    assert "Free space on the datastore" in failed.value.hint
    hypervisor.remove_machine(number)


def test_no_snapshot_takes_a_data_disk_along(esx: LabEsx, closing: ExitStack, tmp_path: Path) -> None:
    hypervisor = opened(esx, closing, tmp_path)
    number, disk = make(hypervisor, Shelf(), "careful"), hypervisor.ensure_disk("careful-data", 8 * MIB)
    hypervisor.attach(number, [disk.path])
    content = esx.file(disk.path).with_name("careful-data-flat.vmdk")
    content.write_bytes(b"before".ljust(8 * MIB, b"\0"))
    hypervisor.take_snapshot(number, "update")
    content.write_bytes(b"since".ljust(8 * MIB, b"\0"))

    hypervisor.revert(number, "update")

    assert content.read_bytes().startswith(b"since")
    hypervisor.drop_snapshot(number, "update")
    with client(esx) as there:
        machine = vim.VirtualMachine(number, there.service._stub)
        held = next(one for one in disks_of(machine.config.hardware) if one.backing.fileName == disk.path)
        held.backing.diskMode = "persistent"
        change = vim.vm.device.VirtualDeviceSpec(operation="edit", device=held)
        there.done(machine.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[change])))
    with pytest.raises(TargetError, match="was set to persistent by hand"):
        hypervisor.take_snapshot(number, "update")
    hypervisor.detach(number, [disk.path])
    hypervisor.remove_disk(disk.path)
    hypervisor.remove_machine(number)


def test_what_is_ambiguous_or_missing_is_told_with_the_candidates(
    esx: LabEsx, closing: ExitStack, tmp_path: Path
) -> None:
    access = access_to(esx, networks={"lan": "VM Netwrok", "backup": "storage"}, pool="gold")
    hypervisor = EsxHypervisor(Session("lab", access, esx.password, esx.certificate), OWNER, tmp_path)
    closing.callback(hypervisor.close)

    faults = hypervisor.observe().faults

    assert faults == (
        "which datastore is meant? there are: fast, small",
        "there is no pool 'gold'; there are: Resources",
        "there is no networks.lan 'VM Netwrok'; there are: VM Network, storage",
    )
    with pytest.raises(TargetError, match="which datastore is meant"):
        make(hypervisor, Shelf(), "nowhere")


@pytest.mark.parametrize("firmware", ["bios", "efi"])
def test_an_exported_machine_keeps_its_firmware(
    esx: LabEsx, closing: ExitStack, tmp_path: Path, firmware: Literal["bios", "efi"]
) -> None:
    hypervisor, shelf, written = opened(esx, closing, tmp_path), Shelf(), io.BytesIO()
    wanted = replace(blueprint(shelf), firmware=firmware)
    number = hypervisor.create_machine(wanted, "leaving", marks("leaving"), shelf, Silence())

    hypervisor.export(number, written, Silence())
    hypervisor.remove_machine(number)

    written.seek(0)
    with tarfile.open(fileobj=written) as archive:
        descriptor = archive.extractfile(archive.getmembers()[0])
        assert descriptor
        assert f'vmw:key="firmware" vmw:value="{firmware}"'.encode() in descriptor.read()


def test_ten_machines_are_made_side_by_side(esx: LabEsx, closing: ExitStack, tmp_path: Path) -> None:
    hypervisor, shelf = opened(esx, closing, tmp_path), Shelf()
    made: list[str] = []
    threads = [threading.Thread(target=lambda n=n: made.append(make(hypervisor, shelf, f"host{n}"))) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(made)) == 10
    assert {f"host{n}" for n in range(10)} <= names(hypervisor)
    for number in made:
        hypervisor.remove_machine(number)


def test_a_disk_is_packed_once_however_many_machines_get_it(esx: LabEsx, closing: ExitStack, tmp_path: Path) -> None:
    hypervisor, shelf = opened(esx, closing, tmp_path), Shelf()
    content = os.urandom(3 * MIB)
    wanted = blueprint(shelf, content)

    def make(number: int) -> str:
        name = f"twin{number}"
        return hypervisor.create_machine(wanted, name, marks(name), shelf, Silence())

    with ThreadPoolExecutor(4) as pool:
        machines = list(pool.map(make, range(4)))

    assert shelf.opened == [wanted.image.disk]
    files = [found.disks[0].path for machine in machines if (found := hypervisor.inspect(machine))]
    packed = [esx.file(file).read_bytes() for file in files]
    assert len(packed) == 4
    assert packed[0][:4] == b"KDMV"
    assert len(packed[0]) > len(content)
    assert len(set(packed)) == 1
    for machine in machines:
        hypervisor.remove_machine(machine)


UPLOAD = """
import sys
from pathlib import Path
from agent.targets.esx.hypervisor import EsxHypervisor
from agent.targets.esx.session import Session
from agent.targets.hypervisor import Blueprint, Card, Hardware
from bundle_format.progress import Silence
from bundle_format.release.model import MachineImage
from bundle_format.site.hypervisors import HypervisorAccess
from bundle_format.store import Store
from tests.contracts.boxes import OWNER, marks
from tests.memory import peak_memory

access, password, certificate, scratch, digest, size = sys.argv[1:]
session = Session("lab", HypervisorAccess.model_validate_json(access), password, Path(certificate).read_text())
hypervisor = EsxHypervisor(session, OWNER, Path(scratch))
image = MachineImage(disk=digest, size=int(size))
wanted = Blueprint(image, Hardware(1, 64 << 20), (Card("lan", "00:50:56:0a:00:05"),))
hypervisor.create_machine(wanted, "huge", marks("huge"), Store(Path(scratch) / "store"), Silence())
print(peak_memory())
"""


@pytest.mark.parametrize("size", [1, pytest.param(8, marks=pytest.mark.slow)], ids="{} GiB".format)
def test_a_large_disk_is_never_in_memory(esx: LabEsx, tmp_path: Path, size: int) -> None:
    disk = tmp_path / "disk.raw"
    with disk.open("wb") as file:
        for place in range(size):
            file.seek(place << 30)
            file.write(os.urandom(2 * MIB))
        file.truncate(size << 30)
    with disk.open("rb") as file:
        blob = Store(tmp_path / "store").add(file)
    disk.unlink()
    access = access_to(esx, datastore="fast").model_dump_json()
    command = [sys.executable, "-c", UPLOAD, access, esx.password, esx.folder / "rui.crt", tmp_path, blob.digest]

    told = subprocess.run([*map(str, command), str(blob.size)], capture_output=True, text=True, check=True)

    assert int(told.stdout) < 300 * MIB
