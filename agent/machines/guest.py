"""What a machine's guest is told: values for cloud-init's VMware datasource (guestinfo.metadata and .userdata).

Both are JSON, which is YAML, in base64. The guest formats a data disk only when there is nothing on it, and knows it
again by its label.
"""

import hashlib
import json
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from agent.labels import Owner
from agent.machines.materials import ENGINE_PORT, Materials
from agent.targets.hypervisor import Card
from bundle_format.release.deployment import Host
from bundle_format.release.fields import Sealed
from bundle_format.release.machine import DataDisk, Nic

ENGINE_FOLDER = "/etc/docker/floto"

_DISKS = """\
set -u
failed=
fail() { echo "floto: data disk $name $1" >&2; failed=yes; }
# NAME UNIT LABEL FILESYSTEM MOUNT
while read -r name unit label kind mount; do
  disk=
  for found in /sys/class/scsi_device/*:0:$unit:0/device/block/*; do
    [ -e "$found" ] && disk=/dev/${found##*/}
  done
  [ -n "$disk" ] || { fail "is not there"; continue; }
  if [ "$(blkid -p -s LABEL -o value "$disk")" != "$label" ]; then
    # A disk that cannot be read is not blank either.
    if [ -n "$(blkid -p "$disk"; wipefs -n "$disk")" ] || ! cmp -s -n 1048576 "$disk" /dev/zero; then
      fail "is not blank and does not bear its label; it is left as it is"; continue
    fi
    "mkfs.$kind" -q -L "$label" "$disk" || { fail "cannot be formatted"; continue; }
  fi
  mkdir -p "$mount"
  if ! findmnt --source "$disk" --mountpoint "$mount" >/dev/null; then
    mount "$disk" "$mount" || { fail "cannot be mounted"; continue; }
  fi
  case $kind in
    ext4) resize2fs "$disk" >/dev/null 2>&1 ;;
    xfs) xfs_growfs "$mount" >/dev/null 2>&1 ;;
  esac
done <<'END'
{disks}
END
# An engine without its data disk would begin with nothing, and look well.
[ -z "$failed" ] || systemctl mask --runtime docker.service docker.socket
"""

_TLS = " ".join(f"--tls{kind}={ENGINE_FOLDER}/{kind}.pem" for kind in ("cacert", "cert", "key"))
_ENGINE_UNIT = f"""\
[Service]
ExecStart=
ExecStart=/bin/sh -c 'exec dockerd -H unix:///var/run/docker.sock -H tcp://0.0.0.0:{ENGINE_PORT} --tlsverify {_TLS}'
"""


def guest_values(
    owner: Owner, host: Host, disks: Sequence[DataDisk], materials: Materials, instance: str
) -> dict[str, str]:
    """All guestinfo of a machine; `instance` is new for each machine, for cloud-init does its work once for each."""
    machine = host.machine
    assert machine is not None
    cards = cards_of(owner, host)
    ethernets = {
        f"card{number}": _network(nic, card, machine.dns)
        for number, (nic, card) in enumerate(zip(machine.nics, cards, strict=True))
    }
    metadata = {
        "instance-id": instance,
        "local-hostname": host.name,
        "network": {"version": 2, "ethernets": ethernets},
    }
    user = {
        "name": "floto",
        "groups": "docker",
        "shell": "/bin/bash",
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
        "ssh_authorized_keys": [materials.ssh],
    }
    userdata = {
        "users": [user],
        "ssh_pwauth": False,
        **({"bootcmd": [["sh", "-c", disk_script(owner, disks)]]} if disks else {}),
        **({"ntp": {"servers": list(machine.ntp)}} if machine.ntp else {}),
        "write_files": [
            _file(f"{ENGINE_FOLDER}/cacert.pem", materials.authority.decode("ascii"), "0644"),
            _file(f"{ENGINE_FOLDER}/cert.pem", materials.engine.certificate.decode("ascii"), "0644"),
            _file(f"{ENGINE_FOLDER}/key.pem", materials.engine.key.decode("ascii"), "0600"),
            _file("/etc/systemd/system/docker.service.d/floto.conf", _ENGINE_UNIT, "0644"),
        ],
        "runcmd": [["systemctl", "daemon-reload"], ["systemctl", "restart", "docker"]],
    }
    return {
        "guestinfo.metadata": _encoded(json.dumps(metadata, sort_keys=True)),
        "guestinfo.metadata.encoding": "base64",
        "guestinfo.userdata": _encoded("#cloud-config\n" + json.dumps(userdata, sort_keys=True)),
        "guestinfo.userdata.encoding": "base64",
        **{f"guestinfo.{name}": _revealed(text) for name, text in machine.guest.items()},
    }


def disk_script(owner: Owner, disks: Sequence[DataDisk]) -> str:
    """What the guest does at each start, before its engine: format what is blank, mount, grow."""
    lines = [
        f"{disk.name} {_unit(number)} {label_of(owner, disk.name)} {disk.filesystem} {disk.mount}"
        for number, disk in enumerate(disks, 1)
    ]
    return _DISKS.replace("{disks}", "\n".join(lines))


def label_of(owner: Owner, disk: str) -> str:
    """The label of a data disk's file system: 12 signs, which is the most that XFS takes."""
    return "fl-" + hashlib.sha256(f"{owner.product}/{owner.site}/{disk}".encode()).hexdigest()[:9]


def cards_of(owner: Owner, host: Host) -> tuple[Card, ...]:
    """The network cards of a machine, each with an address of its own that lasts (VMware's range for manual ones)."""
    assert host.machine is not None
    cards = []
    for number, nic in enumerate(host.machine.nics):
        digest = hashlib.sha256(f"{owner.product}/{owner.site}/{host.name}/{number}".encode()).digest()
        cards.append(Card(nic.network, f"00:50:56:{digest[0] & 0x3F:02x}:{digest[1]:02x}:{digest[2]:02x}"))
    return tuple(cards)


def _unit(number: int) -> int:
    return number if number < 7 else number + 1  # 7 is the controller's own


def _network(nic: Nic, card: Card, dns: tuple[str, ...]) -> dict[str, Any]:
    told: dict[str, Any] = {"match": {"macaddress": card.mac}}
    if nic.address is None:
        return {**told, "dhcp4": True}
    told["addresses"] = [nic.address]
    if nic.gateway:
        everywhere = "::/0" if ":" in nic.gateway else "0.0.0.0/0"  # "default" is not known to cloud-init 22.4
        told["routes"] = [{"to": everywhere, "via": nic.gateway}]
    if dns:
        told["nameservers"] = {"addresses": list(dns)}
    return told


def _file(path: str, content: str, mode: str) -> dict[str, str]:
    return {"path": path, "content": content, "permissions": mode, "owner": "root:root"}


def _revealed(text: str | Sealed) -> str:
    return text.reveal() if isinstance(text, Sealed) else text


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode("ascii")
