"""What can be known of an engine's host when it is this very computer: room, ports that are taken, durable writes."""

import ctypes
import ipaddress
import os
import platform
import shutil
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path

from agent.state import EngineFacts, Listener, Space

_LISTENING = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}
"""State of a socket that waits for peers, as /proc/net tells it."""


class LocalHost:
    """The host of an engine that runs on this computer, seen with the engine's own eyes."""

    def __init__(self, pid: int, root: Path) -> None:
        self._pid = pid
        self._root = root

    def space(self) -> Space | None:
        """The room under the engine's root."""
        with suppress(OSError):
            use = shutil.disk_usage(self._root)
            return Space(use.free, use.total)
        return None

    def listening(self) -> frozenset[Listener] | None:
        """The ports that somebody listens on in the engine's network."""
        found: set[Listener] = set()
        try:
            for table, state in _LISTENING.items():
                lines = Path(f"/proc/{self._pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]
                sockets = (line.split() for line in lines)
                found |= {_listener(table, fields[1]) for fields in sockets if fields[3] == state}
        except OSError:
            return None
        return frozenset(found)

    def sync(self) -> None:
        """Let everything that was written under the engine's root survive a loss of power; OSError if that failed."""
        folder = os.open(self._root, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).syncfs(folder) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(self._root))
        finally:
            os.close(folder)


def local_host(address: str, facts: EngineFacts) -> LocalHost | None:
    """This computer as the host of the engine at `address`; None if that is another, or a machine inside this one."""
    if not address.startswith("unix://") or sys.platform != "linux" or facts.name != platform.node():
        return None
    with suppress(OSError), socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(5)
        peer.connect(address.removeprefix("unix://"))
        pid, _, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        for root in (Path(f"/proc/{pid}/root{facts.root}"), Path(facts.root)):
            with suppress(OSError):
                if root.is_dir():
                    return LocalHost(pid or os.getpid(), root)
    return None


def _listener(table: str, place: str) -> Listener:
    address, _, port = place.partition(":")
    # The kernel writes an address as words of four bytes in the machine's own order.
    raw = b"".join(struct.pack("=I", int(address[start : start + 8], 16)) for start in range(0, len(address), 8))
    return Listener(table.removesuffix("6"), str(ipaddress.ip_address(raw)), int(port, 16))
