"""A plain client of a simulated ESX for the tests of the rig itself: no code of the agent judges here."""

import http.client
import ssl
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim

from tests.lab.esx import LabEsx

OVF = """<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
  xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
  <References><File ovf:href="disk.vmdk" ovf:id="file1" ovf:size="{size}"/></References>
  <DiskSection><Info/><Disk ovf:capacity="{capacity}" ovf:capacityAllocationUnits="byte" ovf:diskId="vmdisk1"
    ovf:fileRef="file1" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/></DiskSection>
  <NetworkSection><Info/><Network ovf:name="VM Network"><Description/></Network></NetworkSection>
  <VirtualSystem ovf:id="{name}"><Info/><Name>{name}</Name>
    <OperatingSystemSection ovf:id="96"><Info/></OperatingSystemSection>
    <VirtualHardwareSection><Info/>
      <System><vssd:ElementName/><vssd:InstanceID>0</vssd:InstanceID><vssd:VirtualSystemType>vmx-13</vssd:VirtualSystemType></System>
      {items}
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>"""

ITEMS = (
    {"InstanceID": 1, "ResourceType": 3, "VirtualQuantity": 1},
    {"InstanceID": 2, "ResourceType": 4, "VirtualQuantity": 512},
    {"InstanceID": 3, "ResourceSubType": "VirtualSCSI", "ResourceType": 6},
    {"AddressOnParent": 0, "HostResource": "ovf:/disk/vmdisk1", "InstanceID": 4, "Parent": 3, "ResourceType": 17},
    {"Connection": "VM Network", "InstanceID": 5, "ResourceSubType": "VmxNet3", "ResourceType": 10},
)


def descriptor(name: str, vmdk: Path, capacity: int) -> str:
    """An OVF for a machine of one disk and one network card."""
    items = "".join(
        "<Item>"
        + "".join(f"<rasd:{key}>{value}</rasd:{key}>" for key, value in sorted({"ElementName": "x", **item}.items()))
        + "</Item>"
        for item in ITEMS
    )
    return OVF.format(name=name, size=vmdk.stat().st_size, capacity=capacity, items=items)


def make_vmdk(raw: Path) -> Path:
    """The stream-optimized VMDK of a raw disk, beside it."""
    made = raw.with_suffix(".vmdk")
    command = ["qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, made]
    subprocess.run(command, check=True)
    return made


class Client:
    """Logged in to a simulated ESX, with what is there at hand."""

    def __init__(self, esx: LabEsx, service: vim.ServiceInstance) -> None:
        self.esx = esx
        self.service = service
        self.content = service.content
        self.datacenter = self.content.rootFolder.childEntity[0]
        self.compute = self.datacenter.hostFolder.childEntity[0]
        self.pool = self.compute.resourcePool
        self.datastore = self.compute.datastore[0]

    def lease(self, name: str, vmdk: Path, capacity: int) -> vim.HttpNfcLease:
        """Ask for a machine to be imported; a lease that is ready."""
        parameters = vim.OvfManager.CreateImportSpecParams(entityName=name)
        ovf = descriptor(name, vmdk, capacity)
        made = self.content.ovfManager.CreateImportSpec(ovf, self.pool, self.datastore, parameters)
        assert not made.error, made.error
        lease = self.pool.ImportVApp(made.importSpec, self.datacenter.vmFolder)
        while lease.state == "initializing":
            time.sleep(0.02)
        return lease

    def upload(self, lease: vim.HttpNfcLease, content: bytes) -> int:
        """Send the bytes of the machine's disk; the status that is answered."""
        url = urllib.parse.urlsplit(lease.info.deviceUrl[0].url.replace("*", self.esx.address, 1))
        trusting = ssl.create_default_context(cadata=self.esx.host_certificate or self.esx.certificate)
        connection = http.client.HTTPSConnection(url.hostname or "", url.port, timeout=30, context=trusting)
        try:
            connection.request("POST", url.path, body=content)
            return connection.getresponse().status
        finally:
            connection.close()

    def imported(self, name: str, vmdk: Path, capacity: int) -> vim.VirtualMachine:
        """A machine from a disk, without power."""
        lease = self.lease(name, vmdk, capacity)
        machine = lease.info.entity
        assert self.upload(lease, vmdk.read_bytes()) == 201
        lease.Complete()
        return machine

    @staticmethod
    def done(task: vim.Task) -> object:
        """What a task came to; its fault is raised."""
        while task.info.state in ("queued", "running"):
            time.sleep(0.02)
        if task.info.state == "error":
            raise task.info.error
        return task.info.result


@contextmanager
def client(esx: LabEsx) -> Iterator[Client]:
    trusting = ssl.create_default_context(cadata=esx.certificate)
    service = SmartConnect(host=esx.host, port=esx.port, user=esx.user, pwd=esx.password, sslContext=trusting)
    try:
        yield Client(esx, service)
    finally:
        with suppress(vim.fault.NotAuthenticated, OSError):
            Disconnect(service)


def wait_until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until it holds; AssertionError when it does not come about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)
