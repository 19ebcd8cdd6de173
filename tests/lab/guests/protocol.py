"""How the simulated ESX and the program behind a machine with power talk; simulator/guest.go is the other end.

The first line on standard input tells what the machine is. The program says `{"running": true}`, later the address on
which the guest answers; it hears "shutdown", "reset" and "off", and the end of its input is "off" too.
"""

import base64
import json
import select
import socket
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

SSH = 22


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk: the `file` with its content, or what the `overlay` stands on. Sizes are bytes."""

    file: Path
    format: str
    overlay: Path
    capacity: int
    unit: int
    uuid: str


@dataclass(frozen=True, slots=True)
class Machine:
    """What has been given power; `cards` are the addresses on the wire, `folder` is for run files."""

    name: str
    uuid: str
    cpus: int
    memory: int
    disks: tuple[Disk, ...]
    cards: tuple[str, ...]
    guestinfo: Mapping[str, str]
    folder: Path

    def addresses(self) -> dict[str, str]:
        """The fixed addresses that cloud-init is told, with their prefixes, by the card's address on the wire."""
        metadata = self.guestinfo.get("metadata", "")
        if self.guestinfo.get("metadata.encoding") == "base64":
            metadata = base64.b64decode(metadata).decode()
        network = json.loads(metadata or "{}").get("network", {})
        cards = network.get("config", network).get("ethernets", {}).values()
        return {
            card.get("match", {}).get("macaddress", "").lower(): card["addresses"][0]
            for card in cards
            if card.get("addresses")
        }


class Guest(Protocol):
    """What stands for the hardware and all that runs on it."""

    def start(self) -> None:
        """Give it power."""

    def alive(self) -> bool:
        """Whether it still has."""

    def shut_down(self) -> None:
        """Ask it to end by itself."""

    def off(self) -> None:
        """Take the power away; leave nothing behind but its disks."""


def serve(make: Any) -> None:
    """Be the guest that `make` makes of a Machine, until its end."""
    words = sys.stdin.buffer.raw  # type: ignore[attr-defined]  # nothing may wait in a buffer while we look for words
    machine = _read(json.loads(words.readline()))
    guest: Guest = make(machine)
    try:
        guest.start()
        _say(running=True)
        threading.Thread(target=_watch, args=(machine,), daemon=True).start()
        while guest.alive():
            if not select.select([words], [], [], 0.2)[0]:
                continue
            word = words.readline().decode().strip()
            if word == "shutdown":
                guest.shut_down()
            elif word == "reset":
                guest.off()
                guest.start()
                threading.Thread(target=_watch, args=(machine,), daemon=True).start()
            else:
                return
    finally:
        guest.off()


def _read(told: dict[str, Any]) -> Machine:
    return Machine(
        name=told["name"],
        uuid=told["uuid"],
        cpus=told["cpus"],
        memory=told["memory"],
        disks=tuple(_disk(disk) for disk in told["disks"] or ()),
        cards=tuple(card["mac"].lower() for card in told["cards"] or ()),
        guestinfo=told["guestinfo"],
        folder=Path(told["folder"]),
    )


def _disk(told: dict[str, Any]) -> Disk:
    file, overlay = Path(told["file"]), Path(told["overlay"])
    return Disk(file, told["format"], overlay, told["capacity"], told["unit"], told["uuid"])


def _say(**words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def _watch(machine: Machine) -> None:
    """Tell the first address once the guest answers on it, as VMware Tools would."""
    fixed = machine.addresses()
    address = next((fixed[card].partition("/")[0] for card in machine.cards if card in fixed), None)
    while address:
        try:
            socket.create_connection((address, SSH), 1).close()
        except ConnectionRefusedError:
            break
        except OSError:
            threading.Event().wait(0.1)
        else:
            break
    if address:
        _say(address=address)
