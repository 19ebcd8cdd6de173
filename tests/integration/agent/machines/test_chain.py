"""From a bundle to rows that outlive their machine: imported on the simulated ESX, started, and made anew.

A contained machine stands for most of it in seconds; once the very disk that was uploaded starts in qemu.
"""

import os
import subprocess
import sys
import tarfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from agent.floor import FLOOR
from bundle_format.errors import ExitCode
from bundle_format.trust.state import TrustFolder
from tests.bundles import ISSUED, root_document
from tests.corner_shop import SECRET, make_shop
from tests.engines import missing
from tests.lab.esx import LabEsx, esx_missing
from tests.lab.image import machine_disk, machines_missing
from tests.lab.network import LabNetwork

ROOT = Path(__file__).resolve().parents[4]
DISK = "[datastore1] floto-shop-krakow-1/engine.vmdk"

Guests = Literal["contained", "emulated"]


@pytest.fixture(scope="module")
def network() -> Iterator[LabNetwork]:
    if why := missing() or esx_missing() or machines_missing():
        pytest.skip(why)
    with LabNetwork() as network:
        yield network


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


@pytest.mark.engine
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("guests", ["contained", pytest.param("emulated", marks=pytest.mark.slow)])
def test_rows_outlive_the_machine_that_wrote_them(network: LabNetwork, tmp_path: Path, guests: Guests) -> None:
    number = 2 if guests == "contained" else 3
    wanted = machine(network, number)
    disk = blank(tmp_path) if guests == "contained" else machine_disk()
    first = make_shop(tmp_path / "home", machine=wanted, disk=disk)
    with LabEsx(guests=guests, network=network) as esx:
        site = Site(tmp_path / "site", esx, network.address(number).partition("/")[0])
        site.folder.mkdir()
        site.write()

        refused = site.run("plan", first, code=ExitCode.PREFLIGHT)
        assert "floto-agent trust hypervisor default" in refused
        site.run("trust hypervisor", "default", "--thumbprint", "0" * 64, code=ExitCode.NOT_TRUSTED)
        site.run("trust hypervisor", "default", "--thumbprint", esx.thumbprint)

        applied = site.run("apply", first, "--yes")
        assert "create machine server: missing" in applied
        assert "create data disk engine: never there before" in applied
        assert "version 2024.1" in site.page()
        assert site.rows() == "2024.1"
        assert "nothing to do" in site.run("apply", first, "--yes")

        again = site.run("redeploy", "server", "--yes")
        assert "replace machine server: asked for" in again
        assert "version 2024.1" in site.page()
        assert site.rows() == "2024.1", "the migration ran once, and what it wrote is still there"

        esx.file(DISK).rename(tmp_path / "lost.vmdk")
        lost = site.run("redeploy", "server", "--yes", code=ExitCode.PREFLIGHT)
        assert "data disk engine is not where it was" in lost
        assert "version 2024.1" in site.page(), "nothing was touched"
