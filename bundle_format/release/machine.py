"""Machines that a hypervisor runs: what they consist of. Sizes are bytes."""

from typing import Annotated, Literal

from pydantic import Field

from bundle_format.release.fields import Address, Interface, MountPoint, Name, Open, Positive, Text
from bundle_format.release.value import Value


class DataDisk(Value):
    """A disk of a machine whose data outlive the machine; only `purge` removes it."""

    name: str
    size: Positive
    mount: MountPoint
    filesystem: Literal["ext4", "xfs"] = "ext4"


class Nic(Value):
    """A network card; `network` is a role that the site's hypervisor maps, without `address` it asks DHCP."""

    network: Name
    address: Interface | None = None
    gateway: Address | None = None


class Machine(Value):
    """What a machine consists of; `image` and `disks` are names of the release."""

    image: str
    cpus: Positive = 2
    memory: Annotated[int, Field(ge=1 << 20)] = 4 << 30
    nics: tuple[Nic, ...]
    disks: tuple[str, ...] = ()
    hypervisor: Name = "default"
    firmware: Literal["bios", "efi"] = "bios"
    dns: tuple[Address, ...] = ()
    ntp: tuple[Open, ...] = ()
    guest: dict[str, Text] = Field(default_factory=dict)
    autostart: int | None = None
    power_off: Literal["guest", "hard"] = "guest"
    snapshot: bool = False
