"""A place with an ESX and a product that writes one row a version, quick enough for many rounds.

Power is book-keeping: no guest runs. The engine of the machine is a real one that goes on while the machine is made
anew, as one does whose root is on a data disk.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Literal

from pyVmomi import vim

from agent.floor import FLOOR
from bundle_format.release.model import MachineImage, Release, Variant
from bundle_format.store import Store
from bundle_format.trust.state import TrustFolder
from tests.bundles import ISSUED, Shelved, root_document, sign_and_write
from tests.engines import PrivateEngine
from tests.images import busybox_layer, make_image
from tests.lab.clients import Client, client, wait_until
from tests.lab.esx import LabEsx

ROOT = Path(__file__).resolve().parents[4]
ADDRESS = "192.0.2.20"
OURS = "floto-shop-krakow-1"
DISK = f"[datastore1] {OURS}/engine.vmdk"
MARK = b"what a guest has written"
LEASE_SECONDS = 3

When = Literal["before", "after"]


def make_ledger(folder: Path, number: int) -> Path:
    """The bundle of a version; those of odd and of even numbers have machines with other hardware."""
    store = Store(folder / "makers-store", threads=1)
    image = make_image(Shelved(store), f"shop/writer:{number}", [busybox_layer()], Cmd=["true"])
    disk = store.add_bytes(Random(1).randbytes(3 << 20))  # nothing reads it
    card = {"network": "lan", "address": f"{ADDRESS}/24", "gateway": "192.0.2.1"}
    machine = {"image": "debian", "disks": ["engine"], "nics": [card], "memory": 64 << 20, "power_off": "hard"}
    writer = {
        "host": "server",
        "image": "writer",
        "command": ["sh", "-c", f"echo {number} >> /data/log"],
        "mounts": [{"kind": "volume", "volume": "data", "path": "/data"}],
        "restart": "no",
    }
    objects = {
        "host": {"server": {"kind": "machine", "machine": {**machine, "cpus": 1 + number % 2, "autostart": 1}}},
        "data_disk": {"engine": {"size": 64 << 20, "mount": "/var/lib/docker"}},
        "volume": {"data": {}},
        "task": {"write": {"container": writer}},
    }
    release = Release(
        product="shop",
        version=str(number),
        evaluator="test",
        sources={"site.star": store.add_bytes(b'project("shop")\n').digest},
        images={"writer": image},
        machine_images={"debian": MachineImage(disk=disk.digest, size=disk.size)},
        variants=(Variant(when={}, objects=objects),),
    )
    return sign_and_write(folder / f"ledger-{number}.floto", release, store, number)


class Place:
    """An ESX on which somebody else has machines too, and the agent beside it as a person runs it."""

    def __init__(self, folder: Path, esx: LabEsx, engine: PrivateEngine) -> None:
        self.folder = folder
        self.esx = esx
        self.engine = engine
        self.state = folder / "state"
        (folder / "password").write_text(esx.password, encoding="utf-8")
        told = f"""\
site = "krakow-1"
[hypervisors.default]
address = "{esx.address}"
user = "{esx.user}"
password = {{ file = "password" }}
networks = {{ lan = "VM Network" }}
[hosts.server]
engine = "{engine.address}"
"""
        (folder / "site.toml").write_text(told, encoding="utf-8")
        TrustFolder(self.state, FLOOR).change(lambda trust: trust.enrol(root_document("acme"), clock=ISSUED))
        self.run("trust", "hypervisor", "default", "--thumbprint", esx.thumbprint)
        shutil.copytree(self.state, folder / "enrolled")
        self.esx.file("[datastore1] others").mkdir()
        self._names = list[str]()
        self.add_other("other")
        marks = {"floto.product": "workshop", "floto.site": "krakow-1", "floto.host": "server", "floto.name": "server"}
        self.add_other("other-server", marks)
        self._let_others_start()

    def add_other(self, name: str, marks: Mapping[str, str] | None = None) -> None:
        """A machine with power that somebody else made: knowing nothing of floto, or with the marks of a product."""
        self._names.append(name)
        options = [vim.option.OptionValue(key=key, value=value) for key, value in (marks or {}).items()]
        files = vim.vm.FileInfo(vmPathName=f"[datastore1] others/{name}/{name}.vmx")
        spec = vim.vm.ConfigSpec(
            name=name, memoryMB=64, numCPUs=1, guestId="otherGuest", files=files, extraConfig=options
        )
        with client(self.esx) as there:
            machine = there.done(there.datacenter.vmFolder.CreateVM_Task(spec, there.pool))
            there.done(machine.PowerOnVM_Task())
        self._others = self._look()

    def remove_other(self, name: str) -> None:
        """Whose it was removes it."""
        self._names.remove(name)
        with client(self.esx) as there:
            [machine] = [machine for machine in _machines(there) if machine.name == name]
            there.done(machine.PowerOffVM_Task())
            there.done(machine.Destroy_Task())
        self._others = self._look()

    def fresh(self) -> None:
        """Leave nothing of ours anywhere; the makers and the ESX are enrolled."""
        shutil.rmtree(self.state)
        shutil.copytree(self.folder / "enrolled", self.state)
        with client(self.esx) as there:
            for machine in _machines(there):
                if machine.name not in self._names:
                    if machine.runtime.powerState != "poweredOff":
                        there.done(machine.PowerOffVM_Task())
                    there.done(machine.Destroy_Task())
        shutil.rmtree(self.esx.file(DISK).parent, ignore_errors=True)
        for listed, removal in (("ps -aq", "rm -f"), ("volume ls -q", "volume rm"), ("images -aq", "rmi -f")):
            if names := self.engine.docker(*listed.split()).split():
                self.engine.docker(*removal.split(), *dict.fromkeys(names))

    def start(self, *words: object) -> "subprocess.Popen[str]":
        """Run the agent beside the test."""
        command = [sys.executable, "-m", "agent.cli.main", *map(str, words), "--state", str(self.state)]
        return subprocess.Popen(
            command, cwd=self.folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def run(self, *words: object, codes: tuple[int, ...] = (0,)) -> str:
        """Run the agent to its end; what it said."""
        process = self.start(*words)
        told, _ = process.communicate(timeout=120)
        assert process.returncode in codes, f"exit code {process.returncode}\n{told}\n{self.esx.log[-2000:]}"
        assert self.esx.password not in told
        return told

    def calls(self, *words: object) -> tuple[str, ...]:
        """Run the agent to its end; the calls by which it changed something on the ESX."""
        self.esx.hold(0)
        self.run(*words)
        return self.esx.calls().names

    def kill_at(self, call: int, when: When, *words: object) -> None:
        """Run the agent and kill it (-9) at that call, before it is done or when it is done and not answered."""
        self.esx.hold(call, when)
        process = self.start(*words)
        try:
            wait_until(lambda: self.esx.calls().held or process.poll() is not None, 60)
            assert process.poll() is None, f"it ended before call {call}: {process.communicate()}"
        finally:
            process.kill()
            process.communicate()
            self.esx.hold(0)
        with suppress(FileNotFoundError):
            self.write_mark()

    def write_mark(self) -> None:
        """As a guest writes to its data disk."""
        with self._flat().open("r+b") as disk:
            disk.write(MARK)

    def check(self, rows: list[str]) -> None:
        """Nothing is lost, nothing foreign was touched, no ghosts are left."""
        wait_until(lambda: self.esx.calls().leases == 0, 2 * LEASE_SECONDS)
        self.check_others()
        with client(self.esx) as there:
            ours = [machine for machine in _machines(there) if machine.name not in self._names]
            assert [(machine.name, machine.runtime.powerState) for machine in ours] == [("server", "poweredOn")]
            own, data = [each.backing.fileName for each in ours[0].config.hardware.device if _is_disk(each)]
            assert data == DISK, "the data disk is not where it belongs"
            assert _starting(there) == {"other", "server"}, "another machine would start by itself"
            kept = {own.partition("/")[0].partition("] ")[2], OURS, "others"}
        assert {path.name for path in self._store().iterdir()} == kept, "files or folders were left behind"
        assert sorted(path.name for path in self._flat().parent.iterdir()) == ["engine-flat.vmdk", "engine.vmdk"]
        assert [path.name for path in self.esx.file(own).parent.glob("*.vmdk")] == [self.esx.file(own).name]
        assert self._flat().read_bytes()[: len(MARK)] == MARK, "what the guest has written is lost"
        assert list((self.state / "uploads").iterdir()) == []
        names = self.engine.docker("ps", "-a", "--format", "{{.Names}}").split()
        assert names == ["write"], "containers were left behind"
        volume = Path(self.engine.docker("volume", "inspect", "-f", "{{.Mountpoint}}", "data").strip())
        assert (volume / "log").read_text(encoding="ascii").split() == rows

    def check_others(self) -> None:
        """Nothing foreign was touched."""
        assert self._look() == self._others, "machines or files of others were touched"

    def _flat(self) -> Path:
        return self.esx.file(DISK).with_name("engine-flat.vmdk")

    def _store(self) -> Path:
        return self.esx.file("[datastore1] x").parent

    def _let_others_start(self) -> None:
        with client(self.esx) as there:
            first = next(machine for machine in _machines(there) if machine.name == "other")
            entry = vim.host.AutoStartManager.AutoPowerInfo(
                key=first, startOrder=1, startDelay=30, waitForHeartbeat="no", startAction="powerOn", stopDelay=30,
                stopAction="suspend",
            )  # fmt: skip
            config = vim.host.AutoStartManager.Config(
                defaults=vim.host.AutoStartManager.SystemDefaults(enabled=True), powerInfo=[entry]
            )
            there.compute.host[0].configManager.autoStartManager.ReconfigureAutostart(config)

    def _look(self) -> dict[str, object]:
        """All that one sees of what is not ours: machines as they are configured, and their files."""
        with client(self.esx) as there:
            seen: dict[str, object] = {
                machine.name: (machine.runtime.powerState, str(machine.config))
                for machine in _machines(there)
                if machine.name in self._names
            }
        files = [path for path in (self._store() / "others").rglob("*") if path.is_file()]
        return seen | {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def _starting(there: Client) -> set[str]:
    """Which machines get power when the ESX has it again."""
    config = there.compute.host[0].configManager.autoStartManager.config
    return {entry.key.name for entry in config.powerInfo if entry.startAction.lower() == "poweron"}


def _machines(there: Client) -> Iterator["vim.VirtualMachine"]:
    return iter(there.datacenter.vmFolder.childEntity)


def _is_disk(device: object) -> bool:
    return isinstance(device, vim.vm.device.VirtualDisk)
