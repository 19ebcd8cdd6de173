"""The OVF descriptor by which a hypervisor is asked for a machine with one disk (DMTF DSP0243)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import quoteattr

from agent.targets.hypervisor import Hardware

DISK = "disk.vmdk"

_NAMESPACES: Final = (
    'xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" '
    'xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" '
    'xmlns:vmw="http://www.vmware.com/schema/ovf" '
    'xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"'
)
_FORMAT: Final = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"
HARDWARE: Final = "vmx-13"
"""ESXi 6.5 and later know it."""

_GUEST: Final = 'ovf:id="96" vmw:osType="debian10_64Guest"'


@dataclass(frozen=True, slots=True)
class DiskFile:
    """A disk of a machine: the name of its file, the bytes of that, and those of the disk."""

    name: str
    stored: int
    size: int


def descriptor(name: str, hardware: Hardware, firmware: str, networks: Sequence[str], disks: Sequence[DiskFile]) -> str:
    """The text; networks by their names there."""
    files = "".join(
        f'<File ovf:href={quoteattr(disk.name)} ovf:id="file{n}" ovf:size="{disk.stored}"/>'
        for n, disk in enumerate(disks)
    )
    parts = "".join(
        f'<Disk ovf:capacity="{disk.size}" ovf:diskId="disk{n}" ovf:fileRef="file{n}" ovf:format="{_FORMAT}"/>'
        for n, disk in enumerate(disks)
    )
    named = "".join(
        f"<Network ovf:name={quoteattr(network)}><Description>{_text(network)}</Description></Network>"
        for network in dict.fromkeys(networks)
    )
    items = [
        _item(1, 3, f"{hardware.cpus} virtual CPUs", VirtualQuantity=hardware.cpus),
        _item(2, 4, "memory", AllocationUnits="byte * 2^20", VirtualQuantity=hardware.memory >> 20),
        _item(3, 6, "SCSI controller", Address=0, ResourceSubType="VirtualSCSI"),
        *(
            _item(10 + n, 17, f"disk {n}", AddressOnParent=_unit(n), HostResource=f"ovf:/disk/disk{n}", Parent=3)
            for n in range(len(disks))
        ),
        *(
            _item(100 + n, 10, f"network {n}", AddressOnParent=7 + n, AutomaticAllocation="true", Connection=network,
                  ResourceSubType="VmxNet3")
            for n, network in enumerate(networks)
        ),
    ]  # fmt: skip
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Envelope {_NAMESPACES}><References>{files}</References>'
        f"<DiskSection><Info>disks</Info>{parts}</DiskSection>"
        f"<NetworkSection><Info>networks</Info>{named}</NetworkSection>"
        f"<VirtualSystem ovf:id={quoteattr(name)}><Info>a machine</Info><Name>{_text(name)}</Name>"
        f"<OperatingSystemSection {_GUEST}><Info>guest</Info></OperatingSystemSection>"
        "<VirtualHardwareSection><Info>hardware</Info><System><vssd:ElementName>family</vssd:ElementName>"
        f"<vssd:InstanceID>0</vssd:InstanceID><vssd:VirtualSystemIdentifier>{_text(name)}</vssd:VirtualSystemIdentifier>"
        f"<vssd:VirtualSystemType>{HARDWARE}</vssd:VirtualSystemType></System>{''.join(items)}"
        f'<vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="{firmware}"/>'
        "</VirtualHardwareSection></VirtualSystem></Envelope>\n"
    )


def _unit(number: int) -> int:
    return number if number < 7 else number + 1  # 7 is the controller's own


def _item(number: int, kind: int, name: str, **fields: object) -> str:
    # The schema wants the fields in the order of their names.
    members = {"ElementName": name, "InstanceID": number, "ResourceType": kind, **fields}
    told = "".join(f"<rasd:{key}>{_text(str(members[key]))}</rasd:{key}>" for key in sorted(members))
    return f"<Item>{told}</Item>"


def _text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
