"""The promises of the machines behind the simulated ESX: they do what guestinfo says, and lose what has no disk."""

import base64
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyVmomi import vim

from tests.lab.clients import Client, client, make_vmdk
from tests.lab.esx import LabEsx
from tests.lab.fixtures import network
from tests.lab.image import machine_disk
from tests.lab.network import LabNetwork
from tests.ssh import make_key

__all__ = ["network"]

MIB = 1 << 20
ENGINE = "exec dockerd -H unix:///var/run/docker.sock -H tcp://0.0.0.0:2375"
FORMAT = """set -e
for found in /sys/class/scsi_device/*:0:1:0/device/block/*; do disk=/dev/${found##*/}; done
[ -n "$(blkid -p "$disk")" ] || mkfs.ext4 -q -L rows "$disk"
mkdir -p /rows
mount "$(blkid -L rows)" /rows"""


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("key") / "user")


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    raw = tmp_path / "disk.raw"
    raw.write_bytes(b"a disk that a container never reads".ljust(MIB, b"\0"))
    return make_vmdk(raw)


def guestinfo(machine: vim.VirtualMachine, address: str, key: Path, *bootcmd: str) -> list[vim.option.OptionValue]:
    """What cloud-init shall do with the machine: its name and address, a user, an engine on the network."""
    [mac] = [each.macAddress for each in machine.config.hardware.device if hasattr(each, "macAddress")]
    card = {"match": {"macaddress": mac}, "addresses": [address]}
    metadata = {
        "instance-id": machine.config.uuid,
        "local-hostname": "web",
        "network": {"version": 2, "ethernets": {"card0": card}},
    }
    unit = f"[Service]\nExecStart=\nExecStart=/bin/sh -c '{ENGINE}'\n"
    public = key.with_suffix(".pub").read_text(encoding="ascii").strip()
    userdata = {
        "users": [{"name": "floto", "groups": "docker", "shell": "/bin/bash", "ssh_authorized_keys": [public]}],
        "write_files": [{"path": "/etc/systemd/system/docker.service.d/lab.conf", "content": unit}],
        "bootcmd": [["sh", "-c", command] for command in bootcmd],
        "runcmd": [["systemctl", "daemon-reload"], ["systemctl", "restart", "docker"]],
    }
    values = {
        "metadata": encoded(json.dumps(metadata)),
        "metadata.encoding": "base64",
        "userdata": encoded("#cloud-config\n" + json.dumps(userdata)),
        "userdata.encoding": "base64",
    }
    return [vim.option.OptionValue(key=f"guestinfo.{name}", value=value) for name, value in values.items()]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def wait_for(answer: Callable[[], Any], seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while not (got := answer()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.3)
    return got


def docker(address: str, *arguments: str, content: bytes | None = None) -> str:
    command = ["docker", f"--host=tcp://{address}:2375", *arguments]
    return subprocess.run(command, input=content, capture_output=True, check=False).stdout.decode().strip()


def inside(address: str, key: Path, command: str) -> str:
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    ssh = ["ssh", "-q", "-i", str(key), *options, f"floto@{address}", command]
    return subprocess.run(ssh, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout.strip()


def started(there: Client, machine: vim.VirtualMachine, seconds: float) -> str:
    """Give a machine power; its address, once its tools tell it and its engine answers."""
    there.done(machine.PowerOnVM_Task())
    address = wait_for(lambda: machine.guest.ipAddress, seconds)
    wait_for(lambda: docker(address, "version", "--format", "{{.Server.Version}}"), seconds)
    return address


def stopped(machine: vim.VirtualMachine, seconds: float) -> None:
    machine.ShutdownGuest()
    wait_for(lambda: machine.runtime.powerState == "poweredOff", seconds)


def configured(there: Client, machine: vim.VirtualMachine, values: list[vim.option.OptionValue]) -> None:
    spec = vim.vm.ConfigSpec(numCPUs=2, memoryMB=1024, extraConfig=values)
    there.done(machine.ReconfigVM_Task(spec))


def with_disk(there: Client, machine: vim.VirtualMachine) -> None:
    """Give a machine a blank second disk."""
    hardware = machine.config.hardware.device
    controller = next(each for each in hardware if isinstance(each, vim.vm.device.VirtualSCSIController))
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
        fileName=f"[{there.datastore.name}] rows.vmdk", diskMode="independent_persistent", thinProvisioned=True
    )
    disk = vim.vm.device.VirtualDisk(
        key=-1, controllerKey=controller.key, unitNumber=1, backing=backing, capacityInKB=64 * MIB >> 10
    )
    change = vim.vm.device.VirtualDeviceSpec(operation="add", fileOperation="create", device=disk)
    there.done(machine.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[change])))


@pytest.mark.engine
@pytest.mark.timeout(2400)
def test_a_contained_machine_is_a_host(network: LabNetwork, key: Path, blank: Path) -> None:
    with LabEsx(guests="contained", network=network) as esx, client(esx) as there:
        machine = there.imported("web", blank, MIB)
        configured(there, machine, guestinfo(machine, network.address(2), key, FORMAT))
        with_disk(there, machine)

        address = started(there, machine, 120)

        assert f"{address}/24" == network.address(2)
        assert inside(address, key, "hostname") == "web"
        assert "docker" in inside(address, key, "id --groups --name")
        assert inside(address, key, "findmnt --noheadings --output FSTYPE /rows") == "ext4"
        docker(address, "volume", "create", "kept")

        stopped(machine, 60)
        assert machine.guest.ipAddress is None
        assert started(there, machine, 120) == address
        assert docker(address, "volume", "ls", "--quiet") == "kept"
        there.done(machine.PowerOffVM_Task())


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_an_emulated_machine_starts_from_the_disk_that_was_uploaded(
    network: LabNetwork, key: Path, tmp_path: Path
) -> None:
    raw = machine_disk()
    disk = tmp_path / "disk.raw"
    disk.symlink_to(raw)
    vmdk = make_vmdk(disk)
    with LabEsx(guests="emulated", network=network) as esx, client(esx) as there:
        machine = there.imported("web", vmdk, raw.stat().st_size)
        configured(there, machine, guestinfo(machine, network.address(3), key, FORMAT))
        with_disk(there, machine)

        address = started(there, machine, 600)

        assert inside(address, key, "hostname") == "web"
        assert inside(address, key, "findmnt --noheadings --output FSTYPE /rows") == "ext4"
        assert inside(address, key, "cat /sys/class/dmi/id/sys_vendor") == "VMware, Inc."
        stopped(machine, 120)
