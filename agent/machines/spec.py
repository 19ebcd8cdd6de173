"""What a machine is made of, as its labels tell and plans compare; and the blueprint by which it is made."""

from typing import Any

from agent.labels import Labels, Owner
from agent.machines.guest import cards_of, guest_values
from agent.machines.materials import Materials
from agent.targets.hypervisor import Blueprint, Hardware
from bundle_format.canonical import canonical
from bundle_format.digest import digest_of
from bundle_format.release.deployment import Deployment, Host
from bundle_format.release.fields import Sealed
from bundle_format.release.machine import DataDisk, Machine

_NOT_OF_THE_MACHINE = {"image", "disks", "guest", "hypervisor", "power_off", "snapshot"}


def machine_in(host: Host) -> Machine:
    """The machine of a host that has one."""
    assert host.machine is not None
    return host.machine


def disks_in(deployment: Deployment, host: str) -> tuple[DataDisk, ...]:
    """The data disks of a host's machine, in the order of their places."""
    return tuple(deployment.data_disks[name] for name in machine_in(deployment.hosts[host]).disks)


def hardware_of(machine: Machine) -> Hardware:
    """What can be changed on a machine that exists."""
    return Hardware(machine.cpus, machine.memory, machine.autostart)


def machine_labels(deployment: Deployment, host: str, transaction: str = "") -> Labels:
    """The marks that the machine of a host gets; secrets stand in them as fingerprints."""
    spec = canonical(_spec_of(deployment, host))
    return Labels(
        product=deployment.product,
        site=deployment.site,
        host=host,
        name=host,
        release=deployment.version,
        spec=spec.decode("ascii"),
        digest=digest_of(spec),
        transaction=transaction,
    )


def blueprint_of(deployment: Deployment, host: str, materials: Materials, transaction: str) -> Blueprint:
    """All that the machine of a host is made by."""
    wanted = deployment.hosts[host]
    machine = machine_in(wanted)
    owner = Owner(deployment.product, deployment.site)
    instance = f"{deployment.product}-{deployment.site}-{host}-{transaction}"
    return Blueprint(
        image=deployment.machine_images[machine.image],
        hardware=hardware_of(machine),
        cards=cards_of(owner, wanted),
        firmware=machine.firmware,
        guest=guest_values(owner, wanted, disks_in(deployment, host), materials, instance),
    )


def _spec_of(deployment: Deployment, host: str) -> dict[str, Any]:
    machine = machine_in(deployment.hosts[host])
    spec = machine.model_dump(mode="python", exclude=_NOT_OF_THE_MACHINE, exclude_defaults=True)
    spec |= {"cpus": machine.cpus, "memory": machine.memory}
    spec["image"] = deployment.machine_images[machine.image].disk
    spec["guest"] = {
        name: {"sealed": text.fingerprint} if isinstance(text, Sealed) else text
        for name, text in sorted(machine.guest.items())
    }
    spec["disks"] = {disk.name: disk.model_dump(mode="python", exclude={"name"}) for disk in disks_in(deployment, host)}
    return spec
