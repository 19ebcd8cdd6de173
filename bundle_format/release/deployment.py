"""What shall be on one site: a release bound to its parameters, in concrete values that targets understand.

Sizes are bytes, times are seconds, processor shares are thousandths of a core; no floats anywhere.
"""

import hashlib
import hmac
from typing import Annotated, Any, Literal

from pydantic import Field

from bundle_format.digest import Digest
from bundle_format.release.model import Image, Scalar
from bundle_format.release.value import Value


class Sealed:
    """Text with a secret in it: shown as a fingerprint only, revealed where a target needs it."""

    __slots__ = ("_text", "fingerprint")

    def __init__(self, text: str, key: bytes) -> None:
        """`key` belongs to the site alone, so that a fingerprint in a label cannot be guessed from a word list."""
        self._text = text
        self.fingerprint = "hmac-sha256:" + hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    def reveal(self) -> str:
        """The text itself: never to be printed, logged or stored."""
        return self._text

    def __repr__(self) -> str:
        return f"Sealed({self.fingerprint[:20]}...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and other.fingerprint == self.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)


Text = str | Sealed


class RenderedFile(Value):
    """A file as it shall lie inside a container; `digest` is a fingerprint where the content holds a secret."""

    path: str
    content: bytes = Field(repr=False)
    digest: str
    sealed: bool = False
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


class Port(Value):
    """A container's port published on a host's address."""

    container: int
    host: int
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    address: str = "0.0.0.0"


class Attachment(Value):
    """A container's place on a network."""

    network: str
    aliases: tuple[str, ...] = ()
    address: str | None = None


class VolumeMount(Value):
    """A named volume inside a container."""

    kind: Literal["volume"] = "volume"
    volume: str
    path: str
    read_only: bool = False


class HostMount(Value):
    """A path of the host inside a container."""

    kind: Literal["host"] = "host"
    source: str
    path: str
    read_only: bool = False


class MemoryMount(Value):
    """A file system in memory."""

    kind: Literal["tmpfs"] = "tmpfs"
    path: str
    size: int | None = None
    mode: int = 0o1777


Mount = Annotated[VolumeMount | HostMount | MemoryMount, Field(discriminator="kind")]


class Healthcheck(Value):
    """How the engine asks a container whether it works; `test` as docker takes it (CMD or CMD-SHELL first)."""

    test: tuple[str, ...]
    interval: int = 10
    timeout: int = 5
    retries: int = 3
    start_period: int = 0


class Ulimit(Value):
    """A resource limit of a container's processes."""

    name: str
    soft: int
    hard: int


class Log(Value):
    """A container's log, always rotated."""

    driver: Literal["local", "json-file"] = "json-file"
    max_size: int = 10 << 20
    max_files: int = 5


class Container(Value):
    """A container as it shall run on its host."""

    name: str
    host: str
    image: str
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    env: dict[str, Text] = Field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    network_mode: Literal["bridge", "host", "none"] = "bridge"
    networks: tuple[Attachment, ...] = ()
    mounts: tuple[Mount, ...] = ()
    files: tuple[RenderedFile, ...] = ()
    user: str | None = None
    workdir: str | None = None
    hostname: str | None = None
    extra_hosts: dict[str, str] = Field(default_factory=dict)
    dns: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    privileged: bool = False
    read_only: bool = False
    ulimits: tuple[Ulimit, ...] = ()
    sysctls: dict[str, str] = Field(default_factory=dict)
    shm_size: int | None = None
    cpu_millis: int | None = None
    memory: int | None = None
    restart: Literal["no", "on-failure", "always", "unless-stopped"] = "unless-stopped"
    stop_signal: str | None = None
    stop_grace: int = 10
    healthcheck: Healthcheck | None = None
    health_deadline: int = 120
    log: Log = Log()
    init: bool = False
    after: tuple[str, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)
    protect: Literal["no", "stop", "replace", "purge"] = "no"
    external: bool = False


class Schedule(Value):
    """When a one-off task runs, relative to named containers."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


class OneOff(Value):
    """A task: a container that runs to its end once per release, such as a migration."""

    container: Container
    schedule: Schedule = Schedule()
    reversible: bool = True
    backup: tuple[str, ...] = ()
    deadline: int = 600


class Network(Value):
    """A network of containers on one host."""

    name: str
    driver: str = "bridge"
    subnet: str | None = None
    gateway: str | None = None
    internal: bool = False


class Volume(Value):
    """A named volume; its data outlives every container and is never removed but by `purge`."""

    name: str
    uid: int | None = None
    gid: int | None = None
    mode: int | None = None
    size: int | None = None


class Access(Value):
    """How the agent reaches a host's engine: from `[hosts.NAME]` of the site's file."""

    engine: str
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None


class Host(Value):
    """A place where containers run: a machine that the agent makes, or one that exists."""

    name: str
    kind: Literal["existing", "machine"] = "existing"
    address: str | None = None
    machine: dict[str, Any] | None = None
    access: Access | None = None


class Document(Value):
    """A text rendered for people, such as an address list."""

    name: str
    content: str


class Deployment(Value):
    """Everything that shall be on one site for one release."""

    product: str
    version: str
    site: str
    choices: dict[str, Scalar]
    images: dict[str, Image]
    hosts: dict[str, Host]
    networks: dict[str, Network] = Field(default_factory=dict)
    volumes: dict[str, Volume] = Field(default_factory=dict)
    containers: dict[str, Container] = Field(default_factory=dict)
    tasks: dict[str, OneOff] = Field(default_factory=dict)
    documents: dict[str, Document] = Field(default_factory=dict)


def spec_of(container: Container, image_config: Digest) -> dict[str, Any]:
    """What a container is made from, as JSON without secrets: the value behind its `floto.spec` label (APPLY)."""
    spec = container.model_dump(mode="python", exclude={"name", "host", "image", "files", "env", "after"})
    spec["image"] = image_config
    spec["env"] = {k: v if isinstance(v, str) else {"sealed": v.fingerprint} for k, v in sorted(container.env.items())}
    spec["files"] = {
        file.path: {"digest": file.digest, "mode": file.mode, "uid": file.uid, "gid": file.gid}
        for file in container.files
    }
    return spec
