"""A place with a simulated hypervisor, and the agent as a person runs it there, from its source."""

import os
import subprocess
import sys
import tarfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from agent.floor import FLOOR
from bundle_format.trust.state import TrustFolder
from tests.bundles import ISSUED, root_document
from tests.corner_shop import SECRET
from tests.lab.esx import LabEsx
from tests.lab.network import LabNetwork

ROOT = Path(__file__).resolve().parents[4]


@dataclass(frozen=True)
class Site:
    """A place with an ESX, and the agent as a person runs it there."""

    folder: Path
    esx: LabEsx
    address: str

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def run(self, verb: str, *arguments: object, code: int = 0) -> str:
        """Run a verb to its end; what it said, results first."""
        command = [sys.executable, "-m", "agent.cli.main", *verb.split(), *map(str, arguments), "--state", self.state]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        told = f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}\n{self.esx.log[-2000:]}"
        assert done.returncode == code, told
        assert self.esx.password not in done.stdout + done.stderr
        return done.stdout + done.stderr

    def rows(self) -> str:
        """What the migrations have written, as a backup has it."""
        kept = self.folder / "data.tar"
        self.run("backup", "data", "--to", kept)
        with tarfile.open(kept) as archive:
            content = archive.extractfile("volume/log")
            assert content
            text = content.read().decode().strip()
        kept.unlink()
        return text

    def page(self) -> str:
        """What customers of the shop see."""
        with urllib.request.urlopen(f"http://{self.address}:8080/index.html", timeout=10) as answer:
            text: bytes = answer.read()
        return text.decode()

    def write(self, *lines: str) -> None:
        (self.folder / "esx.password").write_text(self.esx.password + "\n", encoding="utf-8")
        (self.folder / "password").write_text(SECRET + "\n", encoding="utf-8")
        told = [
            'site = "krakow-1"',
            "[params]",
            'password = { file = "password" }',
            "[hypervisors.default]",
            f'address = "{self.esx.address}"',
            f'user = "{self.esx.user}"',
            'password = { file = "esx.password" }',
            'networks = { lan = "VM Network" }',
            *lines,
        ]
        (self.folder / "site.toml").write_text("\n".join(told) + "\n", encoding="utf-8")
        TrustFolder(self.state, FLOOR).change(lambda trust: trust.enrol(root_document("acme"), clock=ISSUED))


def blank(folder: Path) -> Path:
    """The disk of a contained machine, which is never read."""
    disk = folder / "disk.raw"
    disk.write_bytes(b"a disk that a container never reads".ljust(1 << 20, b"\0"))
    return disk


def machine(network: LabNetwork, number: int) -> dict[str, object]:
    card = {"network": "lan", "address": network.address(number), "gateway": network.gateway}
    return {"nics": [card], "cpus": 2, "memory": 1 << 30, "power_off": "hard"}
