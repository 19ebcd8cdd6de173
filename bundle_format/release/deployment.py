"""What shall be on one site: a release bound to its parameters, in concrete values that targets understand.

Sizes are bytes, times are seconds, processor shares are thousandths of a core; no floats anywhere.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from bundle_format.digest import Digest
from bundle_format.release.fields import (
    Address,
    Command,
    Device,
    Engine,
    FurtherAddress,
    Hostname,
    Inside,
    LabelName,
    Mode,
    Open,
    Owner,
    Positive,
    Registry,
    Seconds,
    Subnet,
    SysctlName,
    Text,
    User,
    VariableName,
)
from bundle_format.release.fittings import Attachment, Healthcheck, Log, Mount, Port, RenderedFile, Ulimit
from bundle_format.release.linux import Capability, Signal
from bundle_format.release.machine import DataDisk, Machine
from bundle_format.release.model import Image, MachineImage, Scalar
from bundle_format.release.service import Service
from bundle_format.release.value import Value


class Container(Value):
    """A container as it shall run on its host; an external one exists there, is not ours and may lack an image."""

    name: str
    host: str
    image: str = ""
    command: Command | None = None
    entrypoint: tuple[Open, ...] | None = None
    env: dict[VariableName, Text] = Field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    network_mode: Literal["bridge", "host", "none"] = "bridge"
    networks: tuple[Attachment, ...] = ()
    mounts: tuple[Mount, ...] = ()
    files: tuple[RenderedFile, ...] = ()
    user: User | None = None
    workdir: Inside | None = None
    hostname: Hostname | None = None
    extra_hosts: dict[str, FurtherAddress] = Field(default_factory=dict)
    dns: tuple[Address, ...] = ()
    devices: tuple[Device, ...] = ()
    cap_add: tuple[Capability, ...] = ()
    cap_drop: tuple[Capability, ...] = ()
    privileged: bool = False
    read_only: bool = False
    ulimits: tuple[Ulimit, ...] = ()
    sysctls: dict[SysctlName, Open] = Field(default_factory=dict)
    shm_size: Positive | None = None
    cpu_millis: Annotated[int, Field(ge=10)] | None = None
    memory: Annotated[int, Field(ge=6 << 20)] | None = None
    restart: Literal["no", "on-failure", "always", "unless-stopped"] = "unless-stopped"
    stop_signal: Signal | None = None
    stop_grace: Seconds = 10
    healthcheck: Healthcheck | None = None
    health_deadline: Positive = 120
    log: Log = Log()
    init: bool = False
    after: tuple[str, ...] = ()
    labels: dict[LabelName, Open] = Field(default_factory=dict)
    protect: Literal["no", "stop", "replace", "purge"] = "no"
    external: bool = False

    @model_validator(mode="after")
    def _made_of_something(self) -> "Container":
        if not self.image and not self.external:
            raise ValueError("lacks an image, and is not external")
        return self


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
    deadline: Positive = 600


class Network(Value):
    """A network of containers on one host."""

    name: str
    driver: str = "bridge"
    subnet: Subnet | None = None
    gateway: Address | None = None
    internal: bool = False


class Volume(Value):
    """A named volume; its data outlives every container and is never removed but by `purge`."""

    name: str
    uid: Owner | None = None
    gid: Owner | None = None
    mode: Mode | None = None
    size: Positive | None = None


class Access(Value):
    """How the agent reaches a host's engine: from `[hosts.NAME]` of the site's file; paths are absolute.

    `registry` is where the nodes of the swarm that it manages get images from; `registry_password` is a file.
    """

    engine: Engine
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    ssh_key: str | None = None
    ssh_known_hosts: str | None = None
    registry: Registry | None = None
    registry_ca: str | None = None
    registry_user: str | None = None
    registry_password: str | None = None

    @model_validator(mode="after")
    def _fitting(self) -> "Access":
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together")
        if (self.tls_ca or self.tls_cert) and not self.engine.startswith("tcp://"):
            raise ValueError("tls_ca, tls_cert and tls_key are for a tcp:// engine")
        if (self.ssh_key or self.ssh_known_hosts) and not self.engine.startswith("ssh://"):
            raise ValueError("ssh_key and ssh_known_hosts are for an ssh:// engine")
        if (self.registry_user is None) != (self.registry_password is None):
            raise ValueError("registry_user and registry_password belong together")
        if (self.registry_ca or self.registry_user) and not self.registry:
            raise ValueError("registry_ca, registry_user and registry_password are for a registry")
        return self


class Host(Value):
    """A place where containers run: a machine that the agent makes, or one that exists."""

    name: str
    kind: Literal["existing", "machine"] = "existing"
    address: Open | None = None
    machine: Machine | None = None
    access: Access | None = None


class HostStep(Value):
    """A command on a host that exists, for what no container can do; `unless` tells whether it is done already.

    It is asked before and after `run`, each a program with its arguments; `undo` takes the change back.
    """

    name: str
    host: str
    run: Command
    unless: Command
    undo: Command | None = None
    after: tuple[str, ...] = ()
    deadline: Positive = 600


class Document(Value):
    """A text rendered for people, such as an address list."""

    name: str
    content: Open


class Deployment(Value):
    """Everything that shall be on one site for one release."""

    product: str
    version: str
    site: str
    choices: dict[str, Scalar]
    images: dict[str, Image]
    machine_images: dict[str, MachineImage] = Field(default_factory=dict)
    hosts: dict[str, Host]
    networks: dict[str, Network] = Field(default_factory=dict)
    volumes: dict[str, Volume] = Field(default_factory=dict)
    data_disks: dict[str, DataDisk] = Field(default_factory=dict)
    host_steps: dict[str, HostStep] = Field(default_factory=dict)
    containers: dict[str, Container] = Field(default_factory=dict)
    tasks: dict[str, OneOff] = Field(default_factory=dict)
    services: dict[str, Service] = Field(default_factory=dict)
    documents: dict[str, Document] = Field(default_factory=dict)


def spec_of(container: Container, image_config: Digest) -> dict[str, Any]:
    """What a container is made from, as JSON without secrets: the value behind its `floto.spec` label (APPLY).

    Defaults are left out, so that an option that a later agent learns changes no container that does not use it; so is
    what only the agent heeds, for a container need not be replaced to wait longer for its health.
    """
    spec = container.model_dump(mode="python", exclude=_NOT_OF_THE_ENGINE, exclude_defaults=True)
    spec["image"] = image_config
    spec["env"] = {k: v if isinstance(v, str) else {"sealed": v.fingerprint} for k, v in sorted(container.env.items())}
    spec["files"] = {
        file.path: {"digest": file.digest, "mode": file.mode, "uid": file.uid, "gid": file.gid}
        for file in container.files
    }
    return spec


_NOT_OF_THE_ENGINE = {"name", "host", "image", "files", "env", "after", "health_deadline", "protect", "external"}
