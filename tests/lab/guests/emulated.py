"""A machine of the simulated ESX that really starts: qemu runs the very disk that was uploaded.

Always without the help of the processor (TCG): a device file for it says nothing about whether it works.
"""

import json
import os
import secrets
import socket
import subprocess
import time
from pathlib import Path

from tests.lab.guests.protocol import Disk, Machine, serve

ACCELERATOR = "tcg,thread=multi,tb-size=512"
PROCESSOR = "Nehalem"


class Emulated:
    """qemu with VMware's disk controller and network card, its first card on the lab's bridge."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._tap = f"ft{secrets.token_hex(4)}"
        self._qemu: subprocess.Popen[bytes] | None = None
        self._monitor = machine.folder / "qmp"

    def start(self) -> None:
        for command in (
            ["ip", "tuntap", "add", "dev", self._tap, "mode", "tap"],
            ["ip", "link", "set", self._tap, "master", os.environ["LAB_BRIDGE"]],
            ["ip", "link", "set", self._tap, "up"],
        ):
            subprocess.run(command, check=True)
        self._monitor.unlink(missing_ok=True)
        with (self._machine.folder / "qemu.log").open("wb") as log:
            self._qemu = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while not self._answers():
            if self._qemu.poll() is not None:
                raise SystemExit((self._machine.folder / "qemu.log").read_text(encoding="utf-8"))
            time.sleep(0.05)

    def alive(self) -> bool:
        return self._qemu is not None and self._qemu.poll() is None

    def shut_down(self) -> None:
        self._ask("system_powerdown")

    def off(self) -> None:
        if self._qemu:
            self._qemu.kill()
            self._qemu.wait()
        subprocess.run(["ip", "link", "del", self._tap], check=False, stderr=subprocess.DEVNULL)

    def _command(self) -> list[str]:
        machine = self._machine
        command = ["qemu-system-x86_64", "-name", machine.name, "-machine", "pc", "-accel", ACCELERATOR]
        command += ["-cpu", PROCESSOR, "-smp", str(machine.cpus), "-m", str(machine.memory >> 20)]
        command += ["-uuid", machine.uuid, "-display", "none", "-nodefaults", "-no-user-config", "-vga", "std"]
        command += ["-smbios", "type=1,manufacturer=VMware,, Inc.,product=VMware Virtual Platform"]
        command += ["-serial", f"file:{machine.folder / 'serial.log'}"]
        command += ["-qmp", f"unix:{self._monitor},server=on,wait=off", "-device", "pvscsi,id=scsi"]
        for disk in machine.disks:
            image, kind = (_overlay(disk), "qcow2") if disk.format == "vmdk" else (disk.file, "raw")
            command += ["-drive", f"if=none,id=disk{disk.unit},file={image},format={kind},cache=unsafe,discard=unmap"]
            serial = disk.uuid.replace("-", "")
            command += ["-device", f"scsi-hd,bus=scsi.0,scsi-id={disk.unit},drive=disk{disk.unit},serial={serial}"]
        for number, card in enumerate(machine.cards):
            end = f"tap,ifname={self._tap},script=no,downscript=no" if number == 0 else "hubport,hubid=1"
            command += ["-netdev", f"{end},id=net{number}", "-device", f"vmxnet3,netdev=net{number},mac={card}"]
        for key, value in machine.guestinfo.items():
            file = machine.folder / f"guestinfo.{key}"
            file.write_text(value, encoding="utf-8")
            command += ["-fw_cfg", f"name=opt/guestinfo.{key},file={file}"]
        return command

    def _answers(self) -> bool:
        try:
            self._ask(None)
        except OSError:
            return False
        return True

    def _ask(self, word: str | None) -> None:
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(5)
            monitor.connect(str(self._monitor))
            lines = monitor.makefile("rw", encoding="utf-8")
            lines.readline()
            for command in ("qmp_capabilities", word):
                if command:
                    lines.write(json.dumps({"execute": command}) + "\n")
                    lines.flush()
                    lines.readline()


def _overlay(disk: Disk) -> Path:
    """Where the changes of an uploaded disk are kept; it may have become larger since."""
    size = str(disk.capacity)
    if not disk.overlay.exists():
        made = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", disk.file, "-F", "vmdk", disk.overlay, size]
        subprocess.run(made, check=True)
    else:
        subprocess.run(["qemu-img", "resize", "-q", disk.overlay, size], check=True)
    return disk.overlay


if __name__ == "__main__":
    serve(Emulated)
