"""Services: containers that a Docker Swarm keeps running on whichever of its nodes it finds fit.

Sizes are bytes, times are seconds, processor shares are thousandths of a core.
"""

import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from bundle_format.digest import Digest, digest_of
from bundle_format.release.fields import (
    Command,
    Hostname,
    Inside,
    LabelName,
    Open,
    PortNumber,
    Positive,
    Seconds,
    Text,
    User,
    VariableName,
)
from bundle_format.release.fittings import Healthcheck, HostMount, Log, MemoryMount, RenderedFile
from bundle_format.release.linux import Capability, Signal
from bundle_format.release.model import Image
from bundle_format.release.value import Value

MOST_FILE: Final = 500 * 1024
"""Bytes of a file that a swarm takes as a secret; it would take a config of twice that."""

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,38}[A-Za-z0-9])?")


def _service_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("a service's name has up to 40 letters, digits, '-' and '_'; a swarm allows no '.'")
    return name


class Published(Value):
    """A service's port on its nodes: on all of them (`ingress`), or just where one of its containers runs (`host`)."""

    container: PortNumber
    port: PortNumber
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    mode: Literal["ingress", "host"] = "ingress"


class Spread(Value):
    """On which nodes a service's containers may run, over which label's values they are spread, how many on one."""

    constraints: tuple[Open, ...] = ()
    spread: tuple[Open, ...] = ()
    max_per_node: Positive | None = None


class Rolling(Value):
    """How new containers take the place of old ones, and what the swarm does by itself when they fail.

    `monitor` is how long each must stay well; `max_failures` is the percentage of containers that may fail.
    """

    parallelism: Annotated[int, Field(ge=0)] = 1
    delay: Seconds = 0
    order: Literal["stop-first", "start-first"] = "stop-first"
    failure_action: Literal["rollback", "pause"] = "rollback"
    monitor: Positive = 5
    max_failures: Annotated[int, Field(ge=0, le=100)] = 0


class Restarting(Value):
    """When a container that ended is followed by another; `attempts` of None is without end."""

    condition: Literal["any", "on-failure", "none"] = "any"
    delay: Seconds = 5
    attempts: int | None = None
    window: Seconds = 0


class Service(Value):
    """A service of the swarm that the engine of `host` manages.

    `registry` names the container of this release from which the nodes get its image; None: one that is there already.
    """

    name: Annotated[str, AfterValidator(_service_name)]
    host: str
    image: str
    mode: Literal["replicated", "global"] = "replicated"
    replicas: Annotated[int, Field(ge=0)] = 1
    placement: Spread = Spread()
    update: Rolling = Rolling()
    restart: Restarting = Restarting()
    registry: str | None = None
    command: Command | None = None
    entrypoint: tuple[Open, ...] | None = None
    env: dict[VariableName, Text] = Field(default_factory=dict)
    ports: tuple[Published, ...] = ()
    endpoint: Literal["vip", "dnsrr"] = "vip"
    networks: tuple[str, ...] = ()
    mounts: tuple[Annotated[HostMount | MemoryMount, Field(discriminator="kind")], ...] = ()
    files: tuple[RenderedFile, ...] = ()
    user: User | None = None
    workdir: Inside | None = None
    hostname: Hostname | None = None
    cap_add: tuple[Capability, ...] = ()
    cap_drop: tuple[Capability, ...] = ()
    read_only: bool = False
    init: bool = False
    cpu_millis: Annotated[int, Field(ge=10)] | None = None
    memory: Annotated[int, Field(ge=6 << 20)] | None = None
    reserve_cpu_millis: Annotated[int, Field(ge=10)] | None = None
    reserve_memory: Positive | None = None
    stop_signal: Signal | None = None
    stop_grace: Seconds = 10
    healthcheck: Healthcheck | None = None
    health_deadline: Positive = 300
    log: Log = Log()
    after: tuple[str, ...] = ()
    labels: dict[LabelName, Open] = Field(default_factory=dict)
    protect: Literal["no", "replace", "purge"] = "no"

    @model_validator(mode="after")
    def _possible(self) -> "Service":
        if self.endpoint == "dnsrr" and any(port.mode == "ingress" for port in self.ports):
            raise ValueError('ports are published on all nodes only with endpoint = "vip"; use node_port()')
        return self


def service_spec_of(service: Service, image_config: Digest, registry: str) -> dict[str, Any]:
    """What a service is made from, as JSON without secrets: the value behind its `floto.spec` label (APPLY)."""
    spec = service.model_dump(mode="python", exclude=_NOT_OF_THE_SWARM, exclude_defaults=True)
    spec["image"], spec["registry"] = image_config, registry
    spec["env"] = {k: v if isinstance(v, str) else {"sealed": v.fingerprint} for k, v in sorted(service.env.items())}
    spec["files"] = {
        file.path: {"digest": file.digest, "mode": file.mode, "uid": file.uid, "gid": file.gid}
        for file in service.files
    }
    return spec


def image_reference(registry: str, image: Image) -> str:
    """By which name the nodes of a swarm get an image: registry, name, tag, and the digest of its manifest."""
    repository, _, tag = image.tag.rpartition(":")
    return f"{registry}/{repository.lower()}:{tag}@{image.manifest}"


def file_name_of(product: str, site: str, service: str, file: RenderedFile) -> str:
    """What the swarm's config, or secret, is called that holds a file: never the same for another content."""
    told = f"{product}\n{site}\n{file.digest}".encode()
    return f"{service}-{digest_of(told).removeprefix('sha256:')[:20]}"


_NOT_OF_THE_SWARM = {"name", "host", "image", "registry", "files", "env", "after", "health_deadline", "protect"}
