"""A network segment for the machines of a test: a bridge of its own, with the test at one end."""

import subprocess

NETWORKS = 250


class LabNetwork:
    """A context manager. `name` is the bridge; `address(n)` is a machine's address with its prefix, n from 2 to 250."""

    def __init__(self) -> None:
        self.name = ""
        self._number = 0

    def __enter__(self) -> "LabNetwork":
        for number in range(NETWORKS):
            # Who makes the bridge of that number has its addresses, whatever other tests run beside.
            name = f"flotolab{number}"
            made = subprocess.run(["ip", "link", "add", name, "type", "bridge"], capture_output=True, check=False)
            if made.returncode == 0:
                self.name, self._number = name, number
                subprocess.run(["ip", "addr", "add", f"{self.gateway}/24", "dev", name], check=True)
                subprocess.run(["ip", "link", "set", name, "up"], check=True)
                return self
        raise RuntimeError(f"no bridge for the lab could be made: {made.stderr.decode()}")

    def __exit__(self, *_: object) -> None:
        if self.name:
            subprocess.run(["ip", "link", "del", self.name], check=False)

    @property
    def gateway(self) -> str:
        """Where the test itself is."""
        return f"10.217.{self._number}.1"

    def address(self, number: int) -> str:
        """An address for a machine, such as 10.217.0.2/24."""
        return f"10.217.{self._number}.{number}/24"
