"""A machine of the simulated ESX in a second or two: namespaces over the root that machine images are made from.

Its disk is a folder beside the one that was uploaded, which is never read. cloud-init is the real one and hears its
guestinfo from the environment; there is no systemd, so that the engine is started as its unit says once cloud-init is
done. Data disks are loop devices.
"""

import os
import secrets
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.lab.guests.protocol import Disk, Machine, serve

INIT = Path(__file__).with_name("init")


class Contained:
    """A process tree with network, mounts and a host name of its own, on the lab's bridge."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._cable = f"fc{secrets.token_hex(4)}"
        self._group = f"floto-machine-{secrets.token_hex(4)}"
        self._loops: dict[int, str] = {}
        self._init: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        own, *data = self._machine.disks
        self._loops = {disk.unit: _loop(disk) for disk in data}
        folder = self._machine.folder
        (folder / "ready").unlink(missing_ok=True)
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "ROOT": os.environ["LAB_ROOT"],
            "DISK": f"{own.overlay}.d",
            "FOLDER": str(folder),
            "GROUP": self._group,
            "NAME": self._machine.name,
            "DISKS": " ".join(f"{unit}:{loop}" for unit, loop in self._loops.items()),
            "VMX_GUESTINFO": "1",
            **{
                f"VMX_GUESTINFO_{key.upper().replace('.', '_')}": value
                for key, value in self._machine.guestinfo.items()
            },
        }
        unshare = ["unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child=KILL"]
        with (folder / "init.log").open("wb") as log:
            self._init = subprocess.Popen(
                [*unshare, "sh", INIT], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        while not (folder / "ready").exists():
            if self._init.poll() is not None:
                raise SystemExit((folder / "init.log").read_text(encoding="utf-8"))
            time.sleep(0.02)
        self._plug()

    def alive(self) -> bool:
        return self._init is not None and self._init.poll() is None

    def shut_down(self) -> None:
        os.kill(self._first(), signal.SIGTERM)

    def off(self) -> None:
        if self._init:
            self._init.kill()
            self._init.wait()
        subprocess.run(["ip", "link", "del", self._cable], check=False, stderr=subprocess.DEVNULL)
        for loop in self._loops.values():
            subprocess.run(["losetup", "--detach", loop], check=False)
        self._loops = {}
        groups = [Path(place) for place, _, _ in os.walk("/sys/fs/cgroup")]
        for group in reversed([group for group in groups if self._group in group.parts]):
            with suppress(OSError):
                group.rmdir()

    def _plug(self) -> None:
        """Give the machine its cards with the addresses that cloud-init is told; all but the first lead nowhere."""
        first = self._first()
        for number, mac in enumerate(self._machine.cards):
            card = f"eth{number}"
            if number == 0:
                far = ["peer", "name", card, "netns", str(first), "address", mac]
                made = ["ip", "link", "add", self._cable, "type", "veth", *far]
                subprocess.run(made, check=True)
                subprocess.run(["ip", "link", "set", self._cable, "master", os.environ["LAB_BRIDGE"], "up"], check=True)
            else:
                self._inside("ip", "link", "add", card, "address", mac, "type", "dummy")
            if address := self._machine.addresses().get(mac):
                self._inside("ip", "addr", "add", address, "dev", card)
            self._inside("ip", "link", "set", card, "up")
        (self._machine.folder / "plugged").touch()

    def _inside(self, *command: str) -> None:
        subprocess.run(["nsenter", "-t", str(self._first()), "--net", "--", *command], check=True)

    def _first(self) -> int:
        assert self._init
        children = Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children").read_text(encoding="ascii").split()
        return int(children[0])


def _loop(disk: Disk) -> str:
    made = subprocess.run(["losetup", "--find", "--show", disk.file], check=True, capture_output=True, text=True)
    return made.stdout.strip()


if __name__ == "__main__":
    assert shutil.which("losetup")
    serve(Contained)
