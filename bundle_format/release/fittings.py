"""What a container or a service is fitted with: files, ports, mounts, its health and its log.

Sizes are bytes, times are seconds.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from bundle_format.release.fields import Address, Mode, MountPoint, OnHost, Open, Owner, PortNumber, Positive, Seconds
from bundle_format.release.linux import Limit
from bundle_format.release.value import Value


class RenderedFile(Value):
    """A file as it shall lie inside a container; `digest` is a fingerprint where the content holds a secret."""

    path: MountPoint
    content: bytes = Field(repr=False)
    digest: str
    sealed: bool = False
    mode: Mode = 0o644
    uid: Owner = 0
    gid: Owner = 0


class Port(Value):
    """A container's port published on a host's address."""

    container: PortNumber
    host: PortNumber
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    address: Address = "0.0.0.0"  # noqa: S104  # what docker does where no address is given


class Attachment(Value):
    """A container's place on a network."""

    network: str
    aliases: tuple[Open, ...] = ()
    address: Address | None = None


class VolumeMount(Value):
    """A named volume inside a container."""

    kind: Literal["volume"] = "volume"
    volume: str
    path: MountPoint
    read_only: bool = False


class HostMount(Value):
    """A path of the host inside a container."""

    kind: Literal["host"] = "host"
    source: OnHost
    path: MountPoint
    read_only: bool = False


class MemoryMount(Value):
    """A file system in memory."""

    kind: Literal["tmpfs"] = "tmpfs"
    path: MountPoint
    size: Positive | None = None
    mode: Mode = 0o1777


Mount = Annotated[VolumeMount | HostMount | MemoryMount, Field(discriminator="kind")]


def _test(words: tuple[str, ...]) -> tuple[str, ...]:
    if len(words) < 2:
        raise ValueError("must have at least one word")
    return words


class Healthcheck(Value):
    """How the engine asks a container whether it works; `test` as docker takes it (CMD or CMD-SHELL first)."""

    test: Annotated[tuple[Open, ...], AfterValidator(_test)]
    interval: Positive = 10
    timeout: Positive = 5
    retries: Positive = 3
    start_period: Seconds = 0


class Ulimit(Value):
    """A resource limit of a container's processes; -1 is without limit."""

    name: Limit
    soft: Annotated[int, Field(ge=-1)]
    hard: Annotated[int, Field(ge=-1)]

    @model_validator(mode="after")
    def _in_order(self) -> "Ulimit":
        if self.hard != -1 and not 0 <= self.soft <= self.hard:
            raise ValueError("its soft limit is above its hard one")
        return self


class Log(Value):
    """A container's log, always rotated."""

    driver: Literal["local", "json-file"] = "json-file"
    max_size: Positive = 10 << 20
    max_files: Positive = 5
