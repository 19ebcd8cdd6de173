"""What guests are told, and what they do with data disks: only a blank one is formatted, nothing is guessed."""

import json
import shutil
import subprocess
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from agent.labels import Owner
from agent.machines.guest import cards_of, disk_script, guest_values, label_of
from agent.machines.materials import Workshop, address_of
from bundle_format.release.deployment import Host
from bundle_format.release.machine import DataDisk, Machine, Nic

OWNER = Owner("shop", "krakow-1")
DISK = DataDisk(name="data", size=16 << 20, mount="/srv")
HOST = Host(
    name="db1",
    kind="machine",
    machine=Machine(
        image="debian",
        nics=(Nic(network="lan", address="192.0.2.20/24", gateway="192.0.2.1"), Nic(network="backup")),
        disks=("data",),
        dns=("192.0.2.1",),
        ntp=("time.example.net",),
        guest={"color": "red"},
    ),
)


@pytest.fixture
def told(tmp_path: Path) -> dict[str, Any]:
    materials = Workshop(tmp_path / "machines", lambda: 1_700_000_000).materials(HOST)
    values = guest_values(OWNER, HOST, [DISK], materials, "db1-t1")
    metadata = json.loads(b64decode(values["guestinfo.metadata"]))
    userdata = b64decode(values["guestinfo.userdata"]).decode()
    assert userdata.startswith("#cloud-config\n")
    return {"metadata": metadata, "userdata": json.loads(userdata.partition("\n")[2]), "values": values}


def test_cards_are_known_by_their_own_addresses(told: dict[str, Any]) -> None:
    first, second = cards_of(OWNER, HOST)
    network = told["metadata"]["network"]["ethernets"]

    assert network["card0"] == {
        "match": {"macaddress": first.mac},
        "addresses": ["192.0.2.20/24"],
        "routes": [{"to": "0.0.0.0/0", "via": "192.0.2.1"}],
        "nameservers": {"addresses": ["192.0.2.1"]},
    }
    assert network["card1"] == {"match": {"macaddress": second.mac}, "dhcp4": True}
    assert first.mac.startswith("00:50:56:")
    assert int(first.mac.split(":")[3], 16) < 0x40, "beyond are addresses that a vCenter gives"


def test_a_guest_gets_its_engine_certificate_and_a_key_to_be_looked_at(told: dict[str, Any]) -> None:
    files = {file["path"]: file for file in told["userdata"]["write_files"]}

    assert files["/etc/docker/floto/key.pem"]["permissions"] == "0600"
    assert "--tlsverify" in files["/etc/systemd/system/docker.service.d/floto.conf"]["content"]
    assert told["userdata"]["users"][0]["ssh_authorized_keys"][0].startswith("ssh-ed25519 ")
    assert told["userdata"]["ntp"] == {"servers": ["time.example.net"]}
    assert told["values"]["guestinfo.color"] == "red"


def test_what_a_site_makes_is_made_once(tmp_path: Path) -> None:
    one, other = (Workshop(tmp_path / "machines", lambda: 1_700_000_000) for _ in range(2))

    assert one.materials(HOST) == other.materials(HOST)
    access = one.access(HOST)
    assert access
    assert access.engine == f"tcp://{address_of(HOST)}:2376"


def tried(tmp_path: Path, disk: Path, *, mounts: bool = True) -> str:
    """What the script does to a disk, with programs that write down how they are called; whether docker was masked."""
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    calls = tmp_path / "calls"
    calls.write_text("", encoding="utf-8")
    for name, ends in {"mount": 0, "findmnt": 1, "mkdir": 0, "resize2fs": 0, "systemctl": 0}.items():
        code = ends if mounts or name != "mount" else 1
        (programs / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {calls}\nexit {code}\n', encoding="utf-8")
        (programs / name).chmod(0o755)
    script = disk_script(OWNER, [DISK])
    place = tmp_path / "class" / "0:0:1:0" / "device" / "block" / "disk"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()
    script = script.replace("/sys/class/scsi_device", str(tmp_path / "class")).replace("/dev/${", f"{tmp_path}/${{")
    assert disk.name == "disk"
    path = f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin"
    subprocess.run(["sh", "-c", script], env={"PATH": path}, check=False, capture_output=True)
    return calls.read_text(encoding="utf-8")


@pytest.mark.skipif(not shutil.which("mkfs.ext4") or not shutil.which("blkid"), reason="not installed: e2fsprogs")
class TestDisk:
    def test_a_blank_one_is_formatted_and_known_again(self, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        disk.write_bytes(bytes(DISK.size))

        assert f"mount {disk} /srv" in tried(tmp_path, disk)
        told = subprocess.run(["blkid", "-p", disk], capture_output=True, text=True, check=True).stdout
        assert label_of(OWNER, "data") in told
        before = disk.read_bytes()
        assert f"mount {disk} /srv" in tried(tmp_path, disk)
        assert disk.read_bytes() == before, "it was formatted again"

    @pytest.mark.parametrize("kind", ["foreign", "noise"])
    def test_any_other_is_left_as_it_is_and_the_engine_stays_down(self, tmp_path: Path, kind: str) -> None:
        disk = tmp_path / "disk"
        disk.write_bytes(bytes(DISK.size))
        if kind == "foreign":
            subprocess.run(["mkfs.ext4", "-q", "-L", "theirs", disk], check=True)
        else:
            disk.write_bytes(b"rows of somebody".rjust(4096, b"\0").ljust(DISK.size, b"\0"))
        before = disk.read_bytes()

        calls = tried(tmp_path, disk)

        assert disk.read_bytes() == before
        assert "mount " not in calls
        assert "systemctl mask --runtime docker.service docker.socket" in calls

    def test_one_that_cannot_be_mounted_keeps_the_engine_down(self, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        disk.write_bytes(bytes(DISK.size))

        assert "systemctl mask" in tried(tmp_path, disk, mounts=False)

    def test_one_that_is_not_there_keeps_the_engine_down(self, tmp_path: Path) -> None:
        assert "systemctl mask" in tried(tmp_path, tmp_path / "disk")
