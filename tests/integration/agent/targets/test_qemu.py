"""This computer as a hypervisor: what its processor can do is tried, and a machine comes up as on an ESX."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.labels import Labels, Owner
from agent.machines.guest import cards_of, guest_values
from agent.machines.materials import Workshop
from agent.targets.docker.engine import DockerEngine
from agent.targets.hypervisor import Blueprint, Hardware
from agent.targets.qemu import accelerator
from agent.targets.qemu.hypervisor import QemuHypervisor
from agent.targets.qemu.power import PROGRAM
from bundle_format.digest import Digest, digest_of
from bundle_format.errors import TargetError
from bundle_format.progress import Silence
from bundle_format.release.deployment import Access, Host
from bundle_format.release.machine import DataDisk, Machine, Nic
from bundle_format.release.model import MachineImage
from bundle_format.site.hypervisors import LocalAccess
from tests.contracts.qemu_box import qemu_missing
from tests.engines import missing
from tests.lab.image import machine_disk, machines_missing
from tests.lab.network import LabNetwork

OWNER = Owner("shop", "krakow-1")
MINUTES = 20 * 60


@pytest.fixture(autouse=True)
def _needs_qemu() -> None:
    if why := qemu_missing():
        pytest.skip(why)


def test_the_program_is_what_its_source_says(tmp_path: Path) -> None:
    source = Path(accelerator.__file__).with_name("probe.s")
    made, linked = tmp_path / "probe.o", tmp_path / "probe"
    subprocess.run(["as", "--64", "-o", made, source], check=True)
    subprocess.run(["ld", "--entry=0", "--oformat=binary", "-Ttext=0", "-o", linked, made], check=True)

    assert linked.read_bytes() == accelerator.PROGRAM


def test_a_guest_gets_through_the_program_by_emulation() -> None:
    assert accelerator.starts(PROGRAM, accelerator.EMULATION, seconds=60)


def test_what_fails_or_hangs_is_not_used(tmp_path: Path) -> None:
    hangs = tmp_path / "qemu"
    hangs.write_text("#!/bin/sh\nexec sleep 60\n", encoding="ascii")
    hangs.chmod(0o755)

    assert not accelerator.starts(PROGRAM, ("-accel", "there-is-none"))
    assert not accelerator.starts(str(hangs), (), seconds=0.2)
    assert accelerator.accelerator(PROGRAM, tmp_path / "no-device") == accelerator.EMULATION


def test_a_device_alone_proves_nothing(tmp_path: Path) -> None:
    device = tmp_path / "kvm"
    device.touch()
    cannot = tmp_path / "qemu"
    cannot.write_text("#!/bin/sh\nexit 1\n", encoding="ascii")
    cannot.chmod(0o755)

    assert os.access(device, os.W_OK)
    assert accelerator.accelerator(str(cannot), device) == accelerator.EMULATION


class _Disk:
    """The machine image's disk as a store has it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def size(self, digest: Digest) -> int:
        return self._file.stat().st_size

    def open(self, digest: Digest):  # type: ignore[no-untyped-def]
        return self._file.open("rb")


@pytest.mark.slow
@pytest.mark.timeout(2 * MINUTES)
def test_a_machine_comes_up_with_its_data_disk_and_an_engine_that_knows_us(tmp_path: Path) -> None:
    if why := missing() or machines_missing():
        pytest.skip(why)
    disk = machine_disk()
    with LabNetwork() as network:
        host = Host(
            name="db",
            kind="machine",
            machine=Machine(
                image="debian", memory=1 << 30, nics=(Nic(network="lan", address=network.address(9)),), disks=("rows",)
            ),
        )
        workshop = Workshop(tmp_path / "materials", time.time)
        rows = DataDisk(name="rows", size=64 << 20, mount="/rows")
        guest = guest_values(OWNER, host, [rows], workshop.materials(host), "first")
        image = MachineImage(disk=digest_of(b"the lab's"), size=disk.stat().st_size)
        blueprint = Blueprint(image, Hardware(2, 1 << 30), cards_of(OWNER, host), guest=guest)
        access = LocalAccess(kind="qemu", folder=str(tmp_path / "m"), networks={"lan": network.name})
        here = QemuHypervisor("here", access, OWNER)
        labels = Labels("shop", "krakow-1", "db", "db", "1", "{}", "sha256:0", "t1")
        machine = here.create_machine(blueprint, "db", labels, _Disk(disk), Silence())
        here.attach(machine, [here.ensure_disk("rows", rows.size).path])
        try:
            here.start(machine)
            reached = workshop.access(host)
            assert reached
            assert eventually(lambda: told_by(reached)) == "db"
            assert here.observe().machine("db").address == network.address(9).partition("/")[0]  # type: ignore[union-attr]
            here.stop(machine, 300, hard=False)
        finally:
            here.stop(machine, 0, hard=True)
        assert b"fl-" in (tmp_path / "m" / "disks" / "shop-krakow-1" / "rows.raw").read_bytes()[:4096]


def told_by(access: Access) -> str:
    """The host's name as its engine knows it; empty as long as it does not answer."""
    try:
        engine = DockerEngine("db", access, OWNER)
    except TargetError:
        return ""
    engine.close()
    command = ["docker", f"--host={access.engine}", "--tlsverify", f"--tlscacert={access.tls_ca}"]
    command += [f"--tlscert={access.tls_cert}", f"--tlskey={access.tls_key}", "info", "--format", "{{.Name}}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def eventually(answer: Callable[[], str]) -> str:
    deadline = time.monotonic() + MINUTES
    while not (got := answer()):
        assert time.monotonic() < deadline
        time.sleep(2)
    return got
