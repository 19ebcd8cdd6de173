"""A site with a hypervisor and no engine yet, and products that bring the machine on which they run."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.labels import Owner
from agent.targets.qemu.hypervisor import QemuHypervisor
from bundle_format.site.hypervisors import LocalAccess
from tests.e2e.places import Done, Home, run
from tests.images import busybox_layer
from tests.lab.esx import LabEsx
from tests.lab.image import machine_disk
from tests.lab.network import LabNetwork

MACHINE = """machine(
    image = machine_image("debian", disk = "debian.qcow2"),
    cpus = 2,
    memory = "{memory}",
    nics = [nic("lan", address = "%s/24" % address, gateway = param("gateway", type = "ip"))],
    disks = [data_disk("engine", size = "{disk}", mount = "/var/lib/docker")],
    power_off = "hard",
)"""

KIOSK = """project("shop", version = "2024.1", doc = "What it sells is one file of a volume")
address = param("address", type = "ip")
server = host("server", machine = {machine})
busybox = image("busybox", files = {{"/": unpack(file("busybox.tar"))}})
rows = volume("rows")
migration = task(
    "migration", image = busybox, host = server, mounts = {{"/rows": rows}},
    command = ["sh", "-c", "echo apple >> /rows/products"],
)
container(
    "front", image = busybox, host = server, after = [migration], mounts = {{"/rows": rows}},
    command = ["httpd", "-f", "-p", "8080", "-h", "/rows"], ports = {{"8080/tcp": 8080}}, stop_grace = "1s",
    healthcheck = cmd(["wget", "-q", "-O", "-", "http://127.0.0.1:8080/products"], interval = "2s", retries = 5),
)
"""


@dataclass(frozen=True)
class Product:
    """A bundle whose front tells of products at :8080/products, and how a person adds some dates to them."""

    bundle: Path
    adding: tuple[str, ...]
    settings: str = ""


def shop_on_a_machine(home: Home) -> Product:
    """The very shop, but that its host is a machine to be made, which may be slow."""
    whole = 'server = host("server", address=address)'
    machine = MACHINE.format(memory="2g", disk="3g")
    edited = home.edited("machine", {"site.star": (whole, f"{whole[:-1]}, machine={machine})")})
    star = edited / "site.star"
    patient = star.read_text(encoding="utf-8").replace("healthcheck=", 'health_deadline="10m", healthcheck=')
    star.write_text(patient, encoding="utf-8")
    bundle = _built(home, edited)
    statement = "INSERT INTO product VALUES ('dates', 450)"
    settings = 'domain = "shop.example.net"\ndb_password = { file = "secrets/db_password" }\n'
    return Product(bundle, ("database", "psql", "-h", "/tmp", "-U", "shop", "-tAc", statement), settings)


def kiosk(home: Home) -> Product:
    """A product of one busybox, which an emulated processor can take."""
    folder = home.folder / "kiosk"
    folder.mkdir()
    text = KIOSK.format(machine=MACHINE.format(memory="1g", disk="1g"))
    (folder / "site.star").write_text(text, encoding="utf-8")
    (folder / "busybox.tar").write_bytes(busybox_layer())
    return Product(_built(home, folder), ("front", "sh", "-c", "echo dates >> /rows/products"))


def _built(home: Home, definition: Path) -> Path:
    """The definition's bundle, with the lab's disk as people hand machine images on."""
    command = ("qemu-img", "convert", "-f", "raw", "-O", "qcow2", machine_disk(), definition / "debian.qcow2")
    run(*map(str, command))
    return home.build(definition, sequence=1)


class MachineSite:
    """A folder with site.toml and secrets, and the frozen agent, in a network of hypervisor and machines alone."""

    def __init__(self, folder: Path, network: LabNetwork, machine: int, agent: Path, home: Home) -> None:
        """`machine` is the number of the machine's address in the network."""
        self.folder = folder
        self.address = network.address(machine).partition("/")[0]
        self._params = f'address = "{self.address}"\ngateway = "{network.gateway}"\n'
        self._network = network
        self._agent = agent
        self._secrets = {name: secrets.token_hex(16) for name in ("db_password",)}
        (folder / "secrets").mkdir(parents=True, mode=0o700)
        self.agent("trust", "enrol", home.root, "--fingerprint", home.words)

    def write(self, product: Product, hypervisor: str, **secret: str) -> None:
        """Let site.toml tell of a product and of where its machine shall be made, beside these secrets."""
        self._secrets |= secret
        for name, text in self._secrets.items():
            (self.folder / "secrets" / name).write_text(text + "\n", encoding="utf-8")
        text = f'site = "krakow-1"\n[params]\n{self._params}{product.settings}[hypervisors.default]\n{hypervisor}'
        (self.folder / "site.toml").write_text(text, encoding="utf-8")

    def agent(self, *words: str | Path, expect: int = 0) -> str:
        """Run the frozen agent with hardly any variables; what it said, in which no secret is."""
        command = ["env", "-i", "-C", self.folder, f"PATH={os.environ['PATH']}", f"FLOTO_STATE={self.folder / 'state'}"]
        done = self._run(*command, self._agent, *words, expect=expect)
        said = done.stdout + done.stderr
        assert not [name for name, text in self._secrets.items() if text in said]
        return said

    def products(self) -> str:
        """What customers are told."""
        return self._run("curl", "-sSf", "--max-time", "60", f"http://{self.address}:8080/products").stdout

    def docker(self, *words: str) -> str:
        """What the machine's engine says to a person who has the site's certificates."""
        kept = self.folder / "state" / "machines"
        keys = (f"--tlscacert={kept}/ca.pem", f"--tlscert={kept}/client.pem", f"--tlskey={kept}/client-key.pem")
        return self._run("docker", f"--host=tcp://{self.address}:2376", "--tlsverify", *keys, *words).stdout

    def reaches(self, address: str) -> bool:
        """Whether there is a way from the agent to an address."""
        return self._run("ip", "route", "get", address, expect=None).returncode == 0

    def _run(self, *command: str | Path, expect: int | None = 0) -> Done:
        return run(*self._network.inside(*command), expect=expect)


@contextmanager
def missing_file(path: Path) -> Iterator[None]:
    """A file that is not where it was, for a while."""
    elsewhere = path.with_name(f"{path.name}.elsewhere")
    path.rename(elsewhere)
    try:
        yield
    finally:
        elsewhere.rename(path)


def on_esx(esx: LabEsx) -> str:
    """How site.toml names a simulated ESX."""
    return (
        f'address = "{esx.address}"\nuser = "{esx.user}"\npassword = {{ file = "secrets/esx" }}\n'
        'networks = { lan = "VM Network" }\n'
    )


def on_this_computer(network: LabNetwork) -> str:
    """How site.toml names the computer on which the agent runs."""
    return f'kind = "qemu"\nfolder = "machines"\nnetworks = {{ lan = "{network.name}" }}\n'


@contextmanager
def switched_off(folder: Path) -> Iterator[None]:
    """See to it that no machine of this computer in a folder has power at the end."""
    try:
        yield
    finally:
        here = QemuHypervisor("here", LocalAccess(kind="qemu", folder=str(folder)), Owner("shop", "krakow-1"))
        for machine in here.observe().machines:
            here.stop(machine.id, 0, hard=True)
