"""A network segment for the machines of a test: a bridge of its own, with the test at one end."""

import os
import subprocess

NETWORKS = 250


class LabNetwork:
    """A context manager. `name` is the bridge; `address(n)` is a machine's address with its prefix, n from 2 to 250.

    `apart`: bridge, hypervisor and machines are in a network of their own, from which nothing else can be reached.
    """

    def __init__(self, *, apart: bool = False) -> None:
        self.name = ""
        self._number = 0
        self._apart = apart
        self._room: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "LabNetwork":
        if self._apart:
            # It ends with its standard input, whatever becomes of the test.
            ready = ["unshare", "--net", "sh", "-c", "ip link set lo up && echo && exec cat"]
            self._room = subprocess.Popen(ready, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert self._room.stdout
            self._room.stdout.readline()
        for number in range(NETWORKS):
            # Who makes the bridge of that number has its addresses, whatever other tests run beside.
            name = f"flotolab{number}"
            made = self._ip("link", "add", name, "type", "bridge")
            if made.returncode == 0:
                self.name, self._number = name, number
                self._ip("addr", "add", f"{self.gateway}/24", "dev", name).check_returncode()
                self._ip("link", "set", name, "up").check_returncode()
                return self
        self.__exit__()
        raise RuntimeError(f"no bridge for the lab could be made: {made.stderr.decode()}")

    def __exit__(self, *_: object) -> None:
        if self.name:
            self._ip("link", "del", self.name)
        if self._room:
            self._room.kill()
            self._room.communicate()

    @property
    def gateway(self) -> str:
        """Where the test itself is."""
        return f"10.217.{self._number}.1"

    def address(self, number: int) -> str:
        """An address for a machine, such as 10.217.0.2/24."""
        return f"10.217.{self._number}.{number}/24"

    def inside(self, *command: str | os.PathLike[str]) -> list[str | os.PathLike[str]]:
        """`command` as it is to be run where the bridge is."""
        return ["nsenter", "-t", str(self._room.pid), "--net", "--", *command] if self._room else [*command]

    def _ip(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(self.inside("ip", *words), capture_output=True, check=False)
