"""A machine's qemu: started apart from the agent, so that it outlives it, and spoken to by QMP."""

import base64
import json
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from agent.targets.qemu.accelerator import accelerator
from agent.targets.qemu.shelf import Record, Shelf
from bundle_format.errors import TargetError
from bundle_format.trust.private import make_private_folder, replace_private

PROGRAM = "qemu-system-x86_64"
_ANSWER_SECONDS = 10
_SOCKET_PATH = 100  # bytes: what the kernel takes, less a little
_SEED_UNIT = 15  # the last place of the controller: data disks begin at 1


class Power:
    """The power of the machines on a shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def on(self, machine: str) -> bool:
        """Whether a machine has power: its process is there, and is not another one that got its number."""
        with suppress(OSError, ValueError):
            number = int((self._shelf.place(machine) / "pid").read_text(encoding="ascii"))
            return str(self._socket(machine)).encode() in Path(f"/proc/{number}/cmdline").read_bytes()
        return False

    def start(self, record: Record) -> None:
        """Give it power; TargetError with qemu's own words when that fails."""
        place = self._shelf.place(record.id)
        if len(str(self._socket(record.id))) > _SOCKET_PATH:
            raise TargetError(f"{place} has too long a name for a machine's monitor", "Name a shorter folder.")
        self._socket(record.id).unlink(missing_ok=True)
        self.unplug(record)
        for number, card in enumerate(record.cards):
            tap = _tap(record.id, number)
            _run(["ip", "tuntap", "add", "dev", tap, "mode", "tap"])
            _run(["ip", "link", "set", tap, "master", card.bridge, "up"])
        try:
            _run([*self._command(record), "-daemonize", "-pidfile", str(place / "pid")])
        except TargetError:
            self.unplug(record)
            raise

    def unplug(self, record: Record) -> None:
        """Take away what a machine's cards hung on."""
        for number in range(len(record.cards)):
            tap = _tap(record.id, number)
            subprocess.run(["ip", "link", "del", tap], capture_output=True, check=False)

    def ask(self, machine: str, verb: str, **arguments: object) -> Any:
        """Say something to a machine's qemu; what it returns. TargetError when it refuses, OSError when it is gone."""
        with self._connection(machine) as monitor, monitor.makefile("rw", encoding="utf-8") as lines:
            lines.readline()
            answer: dict[str, Any] = {}
            for said, told in (("qmp_capabilities", {}), (verb, arguments)):
                lines.write(json.dumps({"execute": said, "arguments": told}) + "\n")
                lines.flush()
                answer = {}
                while "return" not in answer and "error" not in answer:  # events come between
                    line = lines.readline()
                    if not line:
                        raise ConnectionResetError(f"qemu went away at {verb}")
                    answer = json.loads(line)
        if "error" in answer:
            raise TargetError(f"qemu refuses {verb}: {answer['error'].get('desc')}")
        return answer["return"]

    def _connection(self, machine: str) -> socket.socket:
        until = time.monotonic() + _ANSWER_SECONDS
        while True:
            monitor = socket.socket(socket.AF_UNIX)
            try:
                monitor.settimeout(_ANSWER_SECONDS)
                monitor.connect(str(self._socket(machine)))
            except BlockingIOError:  # somebody else is still being heard
                monitor.close()
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
            except OSError:
                monitor.close()
                raise
            else:
                return monitor

    def _socket(self, machine: str) -> Path:
        return self._shelf.place(machine) / "qmp"

    def _command(self, record: Record) -> list[str]:
        place = self._shelf.place(record.id)
        command = [PROGRAM, "-name", record.name, "-machine", "pc", *accelerator(PROGRAM)]
        command += ["-smp", str(record.cpus), "-m", str(record.memory >> 20), "-display", "none", "-vga", "std"]
        command += ["-nodefaults", "-no-user-config", "-serial", f"file:{_plain(place / 'console.log')}"]
        command += ["-qmp", f"unix:{_plain(self._socket(record.id))},server=on,wait=off", "-device", "pvscsi,id=scsi"]
        disks = [(self._shelf.disk(record.id), "qcow2"), *((Path(disk), "raw") for disk in record.disks)]
        for number, (disk, form) in enumerate(disks):
            unit = unit_of(number)
            command += ["-drive", f"if=none,id=disk{number},file={_plain(disk)},format={form},discard=unmap"]
            command += ["-device", f"scsi-hd,bus=scsi.0,scsi-id={unit},drive=disk{number}"]
        for number, card in enumerate(record.cards):
            end = f"tap,id=net{number},ifname={_tap(record.id, number)},script=no,downscript=no"
            command += ["-netdev", end, "-device", f"vmxnet3,netdev=net{number},mac={card.mac}"]
        return command + self._guest(record)

    def _guest(self, record: Record) -> list[str]:
        """What the guest is told: as cloud-init's NoCloud reads it from a disk, and each value by qemu's fw_cfg."""
        seed = self._shelf.place(record.id) / "seed"
        make_private_folder(seed)
        metadata = json.loads(_decoded(record.guest, "guestinfo.metadata") or "{}")
        network = metadata.pop("network", None)
        told = {"meta-data": json.dumps(metadata), "user-data": _decoded(record.guest, "guestinfo.userdata")}
        if network is not None:
            told["network-config"] = json.dumps(network)
        for name, text in told.items():
            replace_private(seed / name, text.encode())
        command = ["-drive", f"if=none,id=seed,driver=vvfat,dir={_plain(seed)},label=cidata,read-only=on"]
        command += ["-device", f"scsi-hd,bus=scsi.0,scsi-id={_SEED_UNIT},drive=seed"]
        values = self._shelf.place(record.id) / "guest"
        make_private_folder(values)
        for key, text in record.guest.items():
            replace_private(values / key, text.encode())
            command += ["-fw_cfg", f"name=opt/{key},file={_plain(values / key)}"]
        return command


def unit_of(number: int) -> int:
    """The place of a machine's disk on its controller, whose own is 7."""
    return number if number < 7 else number + 1


def fixed_address(record: Record) -> str | None:
    """The address of its first card, as its guest is told it."""
    network = json.loads(_decoded(record.guest, "guestinfo.metadata") or "{}").get("network", {})
    cards = network.get("ethernets", {}).values()
    given = {card.get("match", {}).get("macaddress"): card.get("addresses") for card in cards}
    addresses = given.get(record.cards[0].mac) if record.cards else None
    return str(addresses[0]).partition("/")[0] if addresses else None


def _decoded(guest: dict[str, str], key: str) -> str:
    text = guest.get(key, "")
    return base64.b64decode(text).decode() if guest.get(f"{key}.encoding") == "base64" else text


def _tap(machine: str, number: int) -> str:
    return f"fl{machine}n{number}"


def _plain(path: Path) -> str:
    """A path in an option of qemu, where a comma is written twice."""
    return str(path).replace(",", ",,")


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise TargetError(f"{command[0]} is not installed; nothing was started", "Debian: qemu-system-x86") from error
    except subprocess.CalledProcessError as error:
        raise TargetError(f"{command[0]} refuses: {error.stderr.strip()}") from error
