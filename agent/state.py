"""What targets report: one engine as it is now, in values of our own. Sizes are bytes, times seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from agent.labels import Labels
from agent.machines.state import HypervisorState
from agent.swarm.state import SwarmState
from bundle_format.digest import Digest, digest_of
from bundle_format.release.fittings import Port
from bundle_format.release.model import Image

Status = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]
Health = Literal["none", "starting", "healthy", "unhealthy"]
ImageStore = Literal["classic", "containerd"]


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What an engine says of itself; `skew` is its clock minus ours. Hosts of one `id` share the engine."""

    id: str
    name: str
    version: str
    api: tuple[int, int]
    architecture: str
    store: ImageStore
    driver: str
    root: str
    skew: int


@dataclass(frozen=True, slots=True)
class Listener:
    """A port of a host that a process, perhaps the engine itself, listens on."""

    protocol: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Space:
    """The file system under an engine's root."""

    free: int
    total: int


@dataclass(frozen=True, slots=True)
class DiskUse:
    """What fills an engine's root; `volumes` by name, None where the engine does not tell."""

    images: int
    containers: int
    volumes: Mapping[str, int | None]
    space: Space | None = None


@dataclass(frozen=True, slots=True)
class ImageState:
    """An image that an engine holds: its id there, its uncompressed layers base first, its tags."""

    id: str
    layers: tuple[Digest, ...]
    tags: tuple[str, ...] = ()
    size: int = 0

    @property
    def chains(self) -> tuple[Digest, ...]:
        """The stacks of layers that it consists of, from the lowest alone to all."""
        return chain_ids(self.layers)


@dataclass(frozen=True, slots=True)
class Settings:
    """How a container is really set up, for telling drift; `env` may hold secrets and is never shown."""

    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    user: str = ""
    workdir: str = ""
    restart: str = "no"
    memory: int = 0
    cpu_millis: int = 0
    privileged: bool = False
    read_only: bool = False
    auto_remove: bool = False
    networks: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """How a container's last health check ended; `output` may hold secrets, and is told only without them."""

    exit_code: int
    output: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ContainerState:
    """A container, ours (with labels) or not. `started` is Unix time, 0 for never; `image` the engine's id.

    One of a swarm's is the swarm's alone to care for; `service` names what it belongs to.
    """

    id: str
    name: str
    image: str
    status: Status
    health: Health = "none"
    checked: Checked | None = None
    restarts: int = 0
    exit_code: int = 0
    started: int = 0
    labels: Labels | None = None
    ports: tuple[Port, ...] = ()
    settings: Settings = Settings()
    reason: str = ""
    service: str = ""

    @property
    def running(self) -> bool:
        """Whether its process lives, however well."""
        return self.status in ("running", "paused", "restarting")


@dataclass(frozen=True, slots=True)
class NetworkState:
    """A network of an engine."""

    id: str
    name: str
    driver: str
    subnet: str | None = None
    gateway: str | None = None
    internal: bool = False
    labels: Labels | None = None


@dataclass(frozen=True, slots=True)
class VolumeState:
    """A volume; `ready` is False while its first owner and mode could not be set for sure."""

    name: str
    driver: str
    ready: bool = True
    labels: Labels | None = None


@dataclass(frozen=True, slots=True)
class EngineState:
    """All of an engine at one moment. `space` and `listening` are None if they cannot be known.

    `has_shell` tells whether programs can be run on the host itself.
    """

    host: str
    facts: EngineFacts
    images: tuple[ImageState, ...] = ()
    containers: tuple[ContainerState, ...] = ()
    networks: tuple[NetworkState, ...] = ()
    volumes: tuple[VolumeState, ...] = ()
    space: Space | None = None
    listening: frozenset[Listener] | None = None
    has_shell: bool = False
    swarm: SwarmState = field(default_factory=SwarmState)

    def image_id(self, image: Image) -> str | None:
        """The engine's id for an image of the release, None if it lacks it or any of its layers.

        Its id is the digest of the config in a classic store and that of the manifest in containerd's.
        """
        held = (state.id for state in self.images if state.layers == image.layers)
        return next((name for name in held if name in (image.config, image.manifest)), None)

    @property
    def held(self) -> frozenset[str]:
        """By what an engine's root is known again: older engines keep their own id elsewhere."""
        return frozenset({*(found.id for found in self.containers), *(volume.name for volume in self.volumes)})

    def chains(self) -> frozenset[Digest]:
        """The layer chains that the engine holds (`chain_ids`)."""
        return frozenset(chain for image in self.images for chain in image.chains)

    def container(self, name: str) -> ContainerState | None:
        """The container of that name on the engine, whoever made it."""
        return next((container for container in self.containers if container.name == name), None)


def chain_ids(layers: tuple[Digest, ...]) -> tuple[Digest, ...]:
    """The name of each stack of layers from the base up (OCI image specification, layer ChainID)."""
    chains: list[Digest] = []
    for layer in layers:
        chains.append(digest_of(f"{chains[-1]} {layer}".encode()) if chains else layer)
    return tuple(chains)


@dataclass(frozen=True, slots=True)
class SiteState:
    """All engines of a site at one moment; `unreachable` says for each other host what was wrong.

    `hypervisors` are those on which the release has machines; `silent_hypervisors` says of each other what was wrong.
    `texts` holds files that a release changes, by container id and path, as they lie there now; it is never shown.
    `checks` are the exit codes of its host steps' checks; a text tells why one could not be asked.
    `lacking` are the manifests that the registry of a host's swarm lacks, or why it cannot be asked.
    """

    engines: Mapping[str, EngineState]
    unreachable: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[tuple[str, str], bytes | None] = field(default_factory=dict, repr=False)
    checks: Mapping[str, int | str] = field(default_factory=dict)
    hypervisors: Mapping[str, HypervisorState] = field(default_factory=dict)
    silent_hypervisors: Mapping[str, str] = field(default_factory=dict)
    lacking: Mapping[str, frozenset[Digest] | str] = field(default_factory=dict)
