"""A simulated ESX, or vCenter, for tests: a process of its own on 127.0.0.2, with switches to make trouble.

Never on 127.0.0.1: there pyVmomi turns the check of certificates off in silence.
"""

import hashlib
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.lab.image import machine_root
from tests.lab.network import LabNetwork

ROOT = Path(__file__).parents[2]
SOURCES = Path(__file__).with_name("simulator")
LIBRARIES = Path("/usr/share/gocode")
TERABYTE = 1 << 40


def esx_missing() -> str | None:
    """Why there can be no simulated ESX here; None if there can."""
    if shutil.which("go") and (LIBRARIES / "src/github.com/vmware/govmomi/simulator").is_dir():
        return None
    return "not installed: the ESX simulator (Debian: golang-go golang-github-vmware-govmomi-dev)"


def built_simulator(cache: Path = ROOT / ".work" / "lab") -> Path:
    """The simulator's program, built once for each state of its sources."""
    sources = sorted(SOURCES.glob("*.go"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    program = cache / f"esx-{digest}"
    if program.exists():
        return program
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as made:
        package = Path(made, "src", "esx")
        package.parent.mkdir()
        package.symlink_to(SOURCES)
        environment = {
            **os.environ,
            "GO111MODULE": "off",
            "GOFLAGS": "",
            "GOPATH": f"{made}:{LIBRARIES}",
            "GOCACHE": str(cache / "go"),
        }
        subprocess.run(["go", "build", "-o", f"{made}/esx", "esx"], env=environment, check=True)
        Path(made, "esx").replace(program)
    return program


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls since the last `hold` that change something, by their names; whether one of them is held.

    `leases` is how many are open now.
    """

    names: tuple[str, ...]
    held: bool
    leases: int


class LabEsx:
    """A context manager; machines, disks and certificate stay in its folder when it is killed and started again."""

    def __init__(
        self,
        *options: str,
        datastores: Mapping[str, int] | None = None,
        networks: Iterable[str] = (),
        guests: Literal["contained", "emulated"] | None = None,
        network: LabNetwork | None = None,
        answers: str | None = None,
    ) -> None:
        """`datastores` are sizes in bytes by name, `networks` are more of them than `VM Network`.

        `guests` says what stands for a machine with power: a container of the lab's root, or qemu that starts its disk,
        on the segment `network`; without them the tools of such a machine report the address `answers`, or nothing.
        `options` go to the simulator, such as `-vcenter` or `-idle=2s`.
        """
        self.user = "root"
        self.password = "correct horse"
        self.folder = Path(tempfile.mkdtemp(prefix="floto-esx-"))
        self.port = 0
        (self.folder / "password").write_text(self.password, encoding="utf-8")
        self._options = list(options)
        self._network = network
        for name, size in (datastores or {"datastore1": TERABYTE}).items():
            self._options.append(f"-datastore={name}={size}")
        self._options += [f"-network={name}" for name in networks]
        if guests:
            assert network
            self._options.append(f"-guests={self._guest_program(guests, network)}")
        self._options += [f"-answers={answers}"] if answers else []
        self._simulator: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "LabEsx":
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._simulator:
            self._simulator.terminate()
            self._simulator.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def host(self) -> str:
        """Where it listens, without the port."""
        return "127.0.0.2"

    @property
    def address(self) -> str:
        """Host and port as a site's file names them."""
        return f"{self.host}:{self.port}"

    @property
    def certificate(self) -> str:
        """The certificate that it shows, PEM."""
        return (self.folder / "rui.crt").read_text(encoding="ascii")

    @property
    def host_certificate(self) -> str:
        """That of the ESX which a vCenter lets disks be sent to, PEM; empty where it is an ESX itself."""
        certificate = self.folder / "host.crt"
        return certificate.read_text(encoding="ascii") if certificate.exists() else ""

    @property
    def thumbprint(self) -> str:
        """SHA-256 of the certificate, lower hex."""
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.certificate)).hexdigest()

    @property
    def log(self) -> str:
        """What the simulator said so far."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def file(self, path: str) -> Path:
        """Where a datastore's file such as `[datastore1] web/disk-0.vmdk` really lies."""
        datastore, _, within = path.removeprefix("[").partition("] ")
        return self.folder / "datastores" / datastore / within

    def start(self) -> None:
        """Start (again), at the same port, and wait until it answers."""
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        command = [built_simulator(), f"-listen={self.host}:{self.port}", f"-folder={self.folder}"]
        command += [f"-user={self.user}", f"-password-file={self.folder / 'password'}", *self._options]
        where = self._network.inside(*command) if self._network else command
        with (self.folder / "log").open("ab") as log:
            self._simulator = subprocess.Popen(where, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while not ready.exists():
            if self._simulator.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the simulated ESX did not start:\n{self.log[-4000:]}")
            time.sleep(0.02)
        self.port = int(json.loads(ready.read_text(encoding="utf-8"))["address"].rpartition(":")[2])

    def kill(self) -> None:
        """End it at once, as a power cut ends an ESX; its guests lose their power too."""
        assert self._simulator
        self._simulator.send_signal(signal.SIGKILL)
        self._simulator.wait()

    def expire_sessions(self) -> None:
        """Let everybody who is logged in be so no more."""
        self._switch("expire")

    def fail(self, method: str, fault: str) -> None:
        """Let the next call of a method, such as PowerOnVM_Task, end with a fault, such as NoDiskSpace."""
        self._switch("fail", method=method, fault=fault)

    def cut_upload(self, after: int) -> None:
        """Lose the lease of the next upload after so many bytes (whole MiB)."""
        self._switch("cut", bytes=str(after))

    def hold(self, call: int, when: str = "before") -> None:
        """Never answer the call of that number, counted from 1 from now on, `before` it is done or `after`; 0: none."""
        self._switch("hold", call=str(call), when=when)

    def calls(self) -> Calls:
        """What was called since `hold`, or since the start."""
        answer = self._switch("calls")
        return Calls(tuple(answer["calls"] or ()), answer["held"], answer["leases"])

    def report(self, machine: str, address: str) -> None:
        """Let the tools of a machine report an address; an empty one: let them fall silent."""
        self._switch("tools", machine=machine, address=address)

    def _guest_program(self, kind: str, network: LabNetwork) -> Path:
        program = self.folder / "guest"
        variables = f"LAB_BRIDGE={network.name} LAB_ROOT={machine_root() if kind == 'contained' else ''}"
        command = f"{variables} exec {sys.executable} -m tests.lab.guests.{kind}"
        program.write_text(f"#!/bin/sh\ncd {ROOT} && {command}\n", encoding="utf-8")
        program.chmod(0o755)
        return program

    def _switch(self, name: str, **values: str) -> dict:
        context = ssl.create_default_context(cadata=self.certificate)
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=10, context=context)
        try:
            connection.request("POST", f"/lab/{name}?{urllib.parse.urlencode(values)}")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()
