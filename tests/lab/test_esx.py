"""The promises of the simulated ESX itself: what is uploaded is kept, and faults are those that an ESX would give."""

import contextlib
import hashlib
import http.client
import os
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyVim.connect import SmartConnect
from pyVmomi import vim, vmodl

from tests.lab.clients import Client, client, make_vmdk, wait_until
from tests.lab.esx import LabEsx, esx_missing

MIB = 1 << 20
SIZE = 6 * MIB


@pytest.fixture(scope="module")
def esx() -> Iterator[LabEsx]:
    if why := esx_missing():
        pytest.skip(why)
    with LabEsx(datastores={"fast": 1 << 40, "small": 4 * MIB}, networks=["storage"], answers="192.0.2.7") as started:
        yield started


@pytest.fixture
def there(esx: LabEsx) -> Iterator[Client]:
    with client(esx) as connected:
        yield connected


@pytest.fixture(scope="module")
def vmdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    raw = tmp_path_factory.mktemp("disk") / "disk.raw"
    raw.write_bytes(os.urandom(SIZE))
    return make_vmdk(raw)


def names(there: Client) -> list[str]:
    return [machine.name for machine in there.datacenter.vmFolder.childEntity]


def test_inventory(there: Client) -> None:
    assert {each.name for each in there.compute.datastore} == {"fast", "small"}
    assert {each.name for each in there.compute.network} == {"VM Network", "storage"}
    assert there.content.about.apiType == "HostAgent"
    assert there.datastore.summary.freeSpace <= there.datastore.summary.capacity == 1 << 40


def test_uploaded_bytes_are_kept_and_their_digest_is_told(there: Client, vmdk: Path) -> None:
    lease = there.lease("kept", vmdk, SIZE)
    assert there.upload(lease, vmdk.read_bytes()) == 201
    (entry,) = lease.HttpNfcLeaseGetManifest()
    assert (entry.checksum, entry.size) == (hashlib.sha256(vmdk.read_bytes()).hexdigest(), vmdk.stat().st_size)
    lease.Complete()
    (disk,) = [each for each in lease.info.entity.config.hardware.device if isinstance(each, vim.vm.device.VirtualDisk)]
    assert there.esx.file(disk.backing.fileName).read_bytes() == vmdk.read_bytes()


def test_power_and_tools(there: Client, vmdk: Path) -> None:
    machine = there.imported("powered", vmdk, SIZE)
    there.done(machine.PowerOnVM_Task())
    assert (machine.runtime.powerState, machine.guest.ipAddress) == ("poweredOn", "192.0.2.7")
    with pytest.raises(vim.fault.InvalidPowerState):
        there.done(machine.PowerOnVM_Task())
    with pytest.raises(vim.fault.InvalidPowerState):
        there.done(machine.Destroy_Task())
    machine.ShutdownGuest()
    wait_until(lambda: machine.runtime.powerState == "poweredOff")
    there.done(machine.Destroy_Task())
    assert "powered" not in names(there)


def test_guestinfo_keeps_the_last_value_and_drops_empty_ones(there: Client, vmdk: Path) -> None:
    machine = there.imported("guestinfo", vmdk, SIZE)
    for value in ("one", "two", ""):
        option = vim.option.OptionValue(key="guestinfo.word", value=value)
        there.done(machine.ReconfigVM_Task(vim.vm.ConfigSpec(extraConfig=[option])))
        held = [each.value for each in machine.config.extraConfig if each.key == "guestinfo.word"]
        assert held == ([value] if value else [])


def test_a_lost_lease_takes_the_half_machine_with_it(there: Client, vmdk: Path) -> None:
    there.esx.cut_upload(after=2 * MIB)
    lease = there.lease("half", vmdk, SIZE)
    with pytest.raises((OSError, http.client.HTTPException, AssertionError)):
        assert there.upload(lease, vmdk.read_bytes()) == 201
    assert (lease.state, type(lease.error)) == ("error", vim.fault.Timedout)
    assert "half" not in names(there)


def test_an_aborted_lease_takes_the_half_machine_with_it(there: Client, vmdk: Path) -> None:
    lease = there.lease("aborted", vmdk, SIZE)
    lease.Abort()
    assert lease.state == "error"
    assert "aborted" not in names(there)


def test_no_space_in_the_middle_of_an_upload(there: Client, vmdk: Path) -> None:
    there.datastore = next(each for each in there.compute.datastore if each.name == "small")
    lease = there.lease("big", vmdk, SIZE)
    with pytest.raises((OSError, http.client.HTTPException, AssertionError)):
        assert there.upload(lease, vmdk.read_bytes()) == 201
    assert (lease.state, type(lease.error)) == ("error", vim.fault.NoDiskSpace)
    assert "big" not in names(there)


def test_what_is_no_disk_is_refused(there: Client, vmdk: Path) -> None:
    lease = there.lease("junk", vmdk, SIZE)
    assert there.upload(lease, b"junk" * 1000) == 500
    assert lease.state == "error"
    with pytest.raises(vim.fault.InvalidState):
        lease.Complete()
    lease.Abort()
    assert "junk" not in names(there)


def test_a_name_is_taken_once(there: Client, vmdk: Path) -> None:
    there.imported("once", vmdk, SIZE)
    with pytest.raises(vim.fault.DuplicateName):
        there.lease("once", vmdk, SIZE)


def test_wrong_password_and_wrong_certificate(esx: LabEsx) -> None:
    trusting = ssl.create_default_context(cadata=esx.certificate)
    with pytest.raises(vim.fault.InvalidLogin):
        SmartConnect(host=esx.host, port=esx.port, user=esx.user, pwd="wrong", sslContext=trusting)
    with pytest.raises(ssl.SSLCertVerificationError):
        SmartConnect(host=esx.host, port=esx.port, user=esx.user, pwd=esx.password)


def test_expired_sessions(there: Client) -> None:
    there.esx.expire_sessions()
    with pytest.raises(vim.fault.NotAuthenticated):
        _ = there.datacenter.name
    there.content.sessionManager.Login(there.esx.user, there.esx.password)
    assert there.datacenter.name


def test_a_fault_is_given_once(there: Client, vmdk: Path) -> None:
    machine = there.imported("unlucky", vmdk, SIZE)
    there.esx.fail("PowerOnVM_Task", "NoDiskSpace")
    with pytest.raises(vim.fault.NoDiskSpace):
        there.done(machine.PowerOnVM_Task())
    there.done(machine.PowerOnVM_Task())
    there.esx.fail("UnregisterVM", "ResourceInUse")
    with pytest.raises(vim.fault.ResourceInUse):
        machine.UnregisterVM()


@pytest.mark.parametrize(("when", "state"), [("before", "poweredOff"), ("after", "poweredOn")])
def test_a_held_call_is_never_answered(there: Client, vmdk: Path, when: str, state: str) -> None:
    machine = there.imported(f"held-{when}", vmdk, SIZE)
    there.esx.hold(2, when)
    there.done(machine.ReconfigVM_Task(vim.vm.ConfigSpec(annotation="one")))
    with client(there.esx) as other:
        calling = threading.Thread(target=ignoring, args=(other.service, machine._moId), daemon=True)
        calling.start()
        wait_until(lambda: there.esx.calls().held)
    assert there.esx.calls().names == ("ReconfigVM_Task", "PowerOnVM_Task")
    wait_until(lambda: machine.runtime.powerState == state)
    there.esx.hold(0)


def ignoring(service: vim.ServiceInstance, machine: str) -> None:
    stub = service._stub
    with contextlib.suppress(OSError, http.client.HTTPException):
        vim.VirtualMachine(machine, stub).PowerOnVM_Task()


def test_data_disks_are_made_attached_grown_and_kept(there: Client, vmdk: Path) -> None:
    manager = there.content.virtualDiskManager
    there.content.fileManager.MakeDirectory("[fast] data", there.datacenter, True)
    spec = vim.VirtualDiskManager.FileBackedVirtualDiskSpec(
        diskType="thin", adapterType="lsiLogic", capacityKb=8 * MIB >> 10
    )
    path = "[fast] data/rows.vmdk"
    there.done(manager.CreateVirtualDisk_Task(path, there.datacenter, spec))
    content = there.esx.file("[fast] data/rows-flat.vmdk")
    assert content.stat().st_size == 8 * MIB
    machine = there.imported("rows", vmdk, SIZE)
    disk = attached(there, machine, path)
    assert disk.capacityInKB == 8 * MIB >> 10
    other = there.imported("other", vmdk, SIZE)
    with pytest.raises(vim.fault.FileLocked):
        attached(there, other, path)
    disk.capacityInKB = 16 * MIB >> 10
    change(there, machine, vim.vm.device.VirtualDeviceSpec(operation="edit", device=disk))
    assert content.stat().st_size == 16 * MIB
    change(there, machine, vim.vm.device.VirtualDeviceSpec(operation="remove", device=disk))
    assert content.exists()
    with pytest.raises(vim.fault.FileNotFound):
        attached(there, machine, "[fast] data/none.vmdk")
    attached(there, machine, path)
    there.done(machine.Destroy_Task())
    assert not content.exists(), "a machine takes the disks that it has with it, as on an ESX"


def attached(there: Client, machine: vim.VirtualMachine, path: str) -> vim.vm.device.VirtualDisk:
    controller = next(
        each for each in machine.config.hardware.device if isinstance(each, vim.vm.device.VirtualSCSIController)
    )
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(fileName=path, diskMode="independent_persistent")
    disk = vim.vm.device.VirtualDisk(key=-1, controllerKey=controller.key, unitNumber=1, backing=backing)
    change(there, machine, vim.vm.device.VirtualDeviceSpec(operation="add", device=disk))
    return next(
        each
        for each in machine.config.hardware.device
        if isinstance(each, vim.vm.device.VirtualDisk) and each.backing.fileName == path
    )


def change(there: Client, machine: vim.VirtualMachine, spec: vim.vm.device.VirtualDeviceSpec) -> None:
    there.done(machine.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[spec])))


def test_unknown_network(there: Client, vmdk: Path) -> None:
    machine = there.imported("lost", vmdk, SIZE)
    backing = vim.vm.device.VirtualEthernetCard.NetworkBackingInfo(deviceName="nowhere")
    card = vim.vm.device.VirtualVmxnet3(key=-1, backing=backing)
    with pytest.raises(vim.fault.InvalidDeviceBacking):
        change(there, machine, vim.vm.device.VirtualDeviceSpec(operation="add", device=card))


def test_snapshots(there: Client, vmdk: Path) -> None:
    machine = there.imported("kept-state", vmdk, SIZE)
    there.done(machine.CreateSnapshot_Task("before", "", memory=False, quiesce=False))
    (root,) = machine.snapshot.rootSnapshotList
    assert root.name == "before"
    there.done(root.snapshot.RevertToSnapshot_Task())
    there.done(root.snapshot.RemoveSnapshot_Task(removeChildren=False))
    assert machine.snapshot is None


def test_export_gives_the_disk_and_leaves_the_machine(there: Client, vmdk: Path) -> None:
    machine = there.imported("exported", vmdk, SIZE)
    lease = machine.ExportVm()
    wait_until(lambda: lease.state == "ready")
    path = lease.info.deviceUrl[0].url.partition("*")[2]
    connection = http.client.HTTPSConnection(
        there.esx.host, there.esx.port, context=ssl.create_default_context(cadata=there.esx.certificate)
    )
    connection.request("GET", path)
    assert connection.getresponse().read(4) == b"KDMV"
    connection.close()
    lease.Complete()
    assert "exported" in names(there)


def test_a_killed_esx_comes_back_with_its_machines(vmdk: Path) -> None:
    with LabEsx() as esx:
        with client(esx) as there:
            machine = there.imported("survivor", vmdk, SIZE)
            option = vim.option.OptionValue(key="floto.owner", value="shop")
            there.done(machine.ReconfigVM_Task(vim.vm.ConfigSpec(extraConfig=[option], memoryMB=256)))
            there.done(machine.PowerOnVM_Task())
        esx.kill()
        esx.start()
        with client(esx) as there:
            (machine,) = there.datacenter.vmFolder.childEntity
            assert (machine.name, machine.runtime.powerState) == ("survivor", "poweredOff")
            assert machine.config.hardware.memoryMB == 256
            assert "shop" in [each.value for each in machine.config.extraConfig]
            there.done(machine.PowerOnVM_Task())


def test_a_vcenter_has_several_hosts(vmdk: Path) -> None:
    with LabEsx("-vcenter", "-hosts=2", networks=["storage"]) as esx, client(esx) as there:
        assert there.content.about.apiType == "VirtualCenter"
        hosts = there.datacenter.hostFolder.childEntity
        assert len(hosts) == 2
        assert all({each.name for each in host.network} >= {"storage"} for host in hosts)
        assert all({each.name for each in host.datastore} == {"datastore1"} for host in hosts)
        machine = there.imported("on-vcenter", vmdk, SIZE)
        there.done(machine.PowerOnVM_Task())


def test_unknown_calls_say_so(there: Client) -> None:
    with pytest.raises(vmodl.fault.MethodNotFound):
        there.content.virtualDiskManager.QueryVirtualDiskGeometry("[fast] x.vmdk", there.datacenter)
