"""Machines on the simulated ESX: uploads against curl, the memory of an import, ten machines at once and one by one.

The simulator hashes and keeps what comes on the same processors, and is slower than a network; its delay for each MiB
stands for a link of 1 Gbit/s, where uploads wait more than they compute.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from delta import ROOT, judge, measured
from format import paired, seconds

from agent.targets.esx.hypervisor import EsxHypervisor
from agent.targets.esx.session import Session
from agent.targets.hypervisor import Blueprint, Card, Hardware
from agent.targets.vmdk import stream_optimized
from bundle_format.parallel import Workers
from bundle_format.progress import Silence, Task
from bundle_format.release.model import MachineImage
from bundle_format.site.hypervisors import HypervisorAccess
from bundle_format.store import Store
from tests.contracts.boxes import OWNER, access_to, marks
from tests.lab.clients import client
from tests.lab.esx import LabEsx, esx_missing

MIB = 1 << 20
SENT = 256 * MIB
SMALL = 8 * MIB
SPARSE = 8 << 30
MOST_MEMORY = 300 * MIB
HOSTS = 10
AT_ONCE = 4
"""As `--max-parallel` has it."""
GIGABIT = "-transfer-delay=8ms"


class Bench:
    """A simulated ESX, and disks to make machines of."""

    def __init__(self, folder: Path, lab: LabEsx) -> None:
        self.folder = folder
        self.lab = lab
        self.store = Store(folder / "store")
        self.access = access_to(lab)
        self._session = Session("lab", self.access, lab.password, lab.certificate)
        self.hypervisor = EsxHypervisor(self._session, OWNER, folder)
        self._sent = self.image(SENT, SENT)
        self._small = self.image(SMALL, SMALL)
        self._vmdk = self._packed(self._sent)

    def image(self, size: int, filled: int) -> MachineImage:
        """A disk whose first bytes are noise."""
        raw = self.folder / "disk.raw"
        with raw.open("wb") as file:
            for _ in range(0, filled, MIB):
                file.write(os.urandom(MIB))
            file.truncate(size)
        with raw.open("rb") as file:
            disk = self.store.add(file)
        raw.unlink()
        return MachineImage(disk=disk.digest, size=size)

    def send(self) -> float:
        """Seconds from the wish for a machine until its packed disk is there and proved."""
        watch = Watch()
        number = self.hypervisor.create_machine(wanted(self._sent), "sent", marks("sent"), self.store, watch)
        self.hypervisor.remove_machine(number)
        return watch.seconds["send"]

    def curl(self) -> float:
        """Seconds in which curl puts the same bytes to the same place."""
        with client(self.lab) as there:
            lease = there.lease("sent", self._vmdk, SENT)
            url = lease.info.deviceUrl[0].url.replace("*", self.lab.address, 1)
            command = ["curl", "-sSfg", "--cacert", self.lab.folder / "rui.crt", "-T", self._vmdk, url]
            took = seconds(lambda: subprocess.run(command, check=True))
            lease.Abort()
        return took

    def ten(self, at_once: int) -> float:
        """Seconds until ten machines have power, each with a data disk."""

        def make(number: int) -> str:
            name = f"host{number}"
            made = self.hypervisor.create_machine(wanted(self._small, number), name, marks(name), self.store, Silence())
            self.hypervisor.attach(made, [self.hypervisor.ensure_disk(f"disk{number}", SMALL).path])
            self.hypervisor.start(made)
            return made

        start = time.perf_counter()
        with ThreadPoolExecutor(at_once) as pool:
            machines = list(pool.map(make, range(HOSTS)))
        took = time.perf_counter() - start
        for machine in machines:
            self.hypervisor.stop(machine, 0, hard=True)
            found = self.hypervisor.inspect(machine)
            assert found
            self.hypervisor.detach(machine, [disk.path for disk in found.data_disks])
            self.hypervisor.remove_machine(machine)
        return took

    def memory(self) -> int:
        """The most bytes of memory in which a disk of 8 GiB with holes is imported."""
        image = self.image(SPARSE, 64 * MIB)
        words = [self.access.model_dump_json(), str(self.lab.folder), str(self.folder), image.model_dump_json()]
        return measured("", [sys.executable, __file__, *words], lambda: 0, self.folder).memory

    def _packed(self, image: MachineImage) -> Path:
        path = self.folder / "sent.vmdk"
        with self.store.open(image.disk) as raw, Workers() as pool, path.open("wb") as file:
            for piece in stream_optimized(raw, image.size, pool):
                file.write(piece)
        return path


class Watch(Silence):
    """A Progress that knows how long each task took, by its first word."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def task(self, name: str, total: int | None = None) -> Iterator[Task]:
        """Take the time of a task."""
        start = time.perf_counter()
        with super().task(name, total) as task:
            yield task
        self.seconds[name.split(maxsplit=1)[0]] = time.perf_counter() - start


def wanted(image: MachineImage, number: int = 0) -> Blueprint:
    """A small machine of that image."""
    return Blueprint(image, Hardware(1, 64 * MIB), (Card("lan", f"00:50:56:0a:00:{number:02x}"),))


def import_alone(access: str, lab: str, folder: str, image: str) -> None:
    """One import in a process of its own."""
    password, certificate = (Path(lab, name).read_text(encoding="ascii") for name in ("password", "rui.crt"))
    session = Session("lab", HypervisorAccess.model_validate_json(access), password, certificate)
    hypervisor = EsxHypervisor(session, OWNER, Path(folder))
    blueprint = wanted(MachineImage.model_validate_json(image))
    hypervisor.create_machine(blueprint, "huge", marks("huge"), Store(Path(folder) / "store"), Silence())
    hypervisor.close()


def main() -> None:
    """Print a row for each comparison as soon as it is known."""
    if lacking := esx_missing():
        sys.exit(lacking)
    os.environ["PYTHONPATH"] = str(ROOT)
    # Their disk is packed once; without a link, little is left that could be done at the same time.
    for options, link, most, most_of_ten in (((), "", 1.5, 1.0), ((GIGABIT,), ", 1 Gbit/s", 1.15, 0.75)):
        with (
            tempfile.TemporaryDirectory(prefix="floto-bench-", dir="/var/tmp") as folder,
            LabEsx(*options, networks=["storage"]) as lab,
        ):
            bench = Bench(Path(folder), lab)
            print(paired(f"send a disk / curl{link}", most, bench.send, bench.curl), flush=True)
            name = f"ten machines, {AT_ONCE} at once / one by one{link}"
            print(paired(name, most_of_ten, partial(bench.ten, AT_ONCE), partial(bench.ten, 1)), flush=True)
            if not options:
                judge("memory of an import of 8 GiB / 300 MiB", bench.memory() / MOST_MEMORY, 1.0)
            bench.hypervisor.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        import_alone(*sys.argv[1:])
    else:
        main()
