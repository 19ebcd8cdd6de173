"""What the agent asks of a host's engine and of the swarm that it manages: few verbs, each of which may be repeated."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from agent.labels import Adopted, Labels
from agent.state import ContainerState, DiskUse, EngineState
from agent.steps import Limits
from agent.swarm.state import ServiceState
from bundle_format.digest import Digest
from bundle_format.progress import Progress
from bundle_format.release.deployment import Container, Network, Volume
from bundle_format.release.model import Image
from bundle_format.release.service import Service


class Blobs(Protocol):
    """Where the bytes of images come from: the site's store."""

    def size(self, digest: Digest) -> int:
        """The raw size in bytes; MissingError if the blob is absent."""

    def open(self, digest: Digest) -> BinaryIO:
        """The raw bytes, verified while they are read; MissingError if the blob is absent."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a container wrote: when (RFC 3339 with nanoseconds), to which stream, without its line end."""

    container: str
    time: str
    stream: str
    text: str


class Swarm(Protocol):
    """The swarm that a host's engine manages, and the registry from which its nodes get images.

    Every verb raises TargetError with what was left untouched and a remedy; every one that changes refuses what does
    not carry the labels of its owner. None waits until containers run: `service` tells how far they are.
    """

    def service(self, name: str) -> ServiceState | None:
        """A service as it is now; None if there is none."""

    def reference(self, image: Image) -> str:
        """By which name the nodes get an image: registry, name and the digest of its manifest."""

    def lacking(self, images: Sequence[Image]) -> frozenset[Digest]:
        """The manifests of `images` that the registry does not have; TargetError when it does not answer."""

    def push(self, images: Sequence[Image], blobs: Blobs, progress: Progress) -> None:
        """Bring images to the registry, only the blobs that it lacks; each whole or absent under its digest."""

    def draft(self, service: Service, labels: Labels, image: Image) -> None:
        """Keep in the swarm what a service shall be, and its files as configs and secrets; nothing runs differently."""

    def create(self, name: str) -> None:
        """Make a service of its draft; done if it is there."""

    def update(self, name: str, *, anew: bool) -> None:
        """Give a service what its draft says; done if it has it. `anew`: new containers, though nothing differs."""

    def put_back(self, name: str, digest: str) -> None:
        """Give a service back what it had before its last change; TargetError if that was not made from `digest`."""

    def set_aside(self, name: str, transaction: str) -> None:
        """Stop all containers of a service and free its ports; done if `transaction` did so, or if it is gone."""

    def remove(self, name: str) -> None:
        """Remove a service; done if it is gone."""

    def clear(self, keep: Collection[str], transaction: str | None = None) -> None:
        """Remove drafts, and configs and secrets that are not to be kept: all of ours, or those of one transaction.

        What a service uses stays in any case.
        """

    def logs(self, name: str, *, follow: bool, since: int | None, tail: int | None) -> Iterator[LogLine]:
        """The lines of all containers of a service."""


class Engine(Protocol):
    """One host's engine, acting for one product on one site.

    Containers are named by their id or name on the engine. Every verb raises TargetError with the host, what was left
    untouched and a remedy; every one that changes refuses what neither carries the labels of its owner nor was adopted.
    """

    host: str

    @property
    def swarm(self) -> Swarm:
        """The swarm that it manages; its verbs fail where it manages none."""

    def adopt(self, things: Collection[Adopted]) -> None:
        """Take what of `things` is on this host for the owner's from now on, although it lacks the labels."""

    def observe(self) -> EngineState:
        """Everything there is, ours or not."""

    def disk(self) -> DiskUse:
        """What fills the engine's root; slow, for it measures."""

    def inspect(self, container: str) -> ContainerState | None:
        """One container as it is now; None if there is none of that id or name."""

    def load_images(self, images: Sequence[Image], blobs: Blobs, progress: Progress) -> dict[Digest, str]:
        """Bring images to the engine, only the layers that it lacks and no tags: the engine's id by config digest.

        Done means that the engine reports each image under the signed digest and, where it is local, that its file
        system was synced. What it holds already costs nothing.
        """

    def check_image(self, image: str) -> bool:
        """Read a loaded image back whole; False when the engine's copy is damaged (then remove and load it)."""

    def tag(self, image: str, tag: str) -> None:
        """Let `tag` name the image of this id; moves the tag if it names another."""

    def remove_image(self, image: str, tags: Sequence[str]) -> None:
        """Take `tags` off an image and drop it unless others use or name it; absent is done."""

    def create_container(self, container: Container, name: str, labels: Labels, image: str) -> str:
        """Make a container called `name`, its rendered files inside, not started; its id.

        One of that name with our labels is taken away first unless it runs: it is a draft that was cut short.
        """

    def rename(self, container: str, name: str) -> None:
        """Give a container another name; done if it has it."""

    def start(self, container: str) -> None:
        """Start a container; done if it runs.

        One that its engine cannot start any more, because it died in the middle of a start, is made anew from what it
        was made of, with what it has written: its id changes, and what it had removed of its image comes back. One that
        its engine kills over and over for that reason runs on once it is asked for again while it is `restarting`.
        """

    def update(self, container: str, limits: Limits) -> None:
        """Give a container, running or not, other limits in place; done if it has them.

        A limit of 0 leaves as it is what has none; an engine cannot take one away.
        """

    def stop(self, container: str, grace: int) -> None:
        """Send its own stop signal, wait `grace` seconds, then kill; done if it does not run or is gone."""

    def remove(self, container: str) -> None:
        """Remove a container that does not run, never a named volume; done if it is gone."""

    def run_task(self, container: str, deadline: int, output: Callable[[LogLine], None]) -> int:
        """Start a one-off container, hand its lines to `output`, wait; its exit code.

        TargetError when it has not ended after `deadline` seconds (it is then stopped and kept) or would be restarted.
        A container that has run already is not started again: its kept output and exit code come back.
        """

    def ensure_network(self, network: Network, labels: Labels) -> None:
        """Make a network if it is missing; TargetError if one of that name is not ours."""

    def remove_network(self, name: str) -> None:
        """Remove our network; done if it is gone."""

    def ensure_volume(self, volume: Volume, labels: Labels) -> None:
        """Make a volume if it is missing and, once, set its owner and mode; TargetError if it is not ours."""

    def remove_volume(self, name: str) -> None:
        """Remove our volume and ALL its data; only `purge` asks for it. Done if it is gone."""

    def read_volume(self, name: str) -> Iterator[bytes]:
        """A volume's content as a tar stream, its root being the member `volume/`."""

    def write_volume(self, name: str, content: Iterator[bytes]) -> None:
        """Replace a volume's content by a tar stream that `read_volume` gave."""

    def read_file(self, container: str, path: str, limit: int) -> bytes | None:
        """A file inside a container, running or not; None if it is missing, no file or over `limit` bytes."""

    def logs(self, container: str, *, follow: bool, since: int | None, tail: int | None) -> Iterator[LogLine]:
        """A container's lines, oldest first; `since` is Unix time, `tail` a number of lines (None: all)."""

    def run_on_host(self, command: Sequence[str], deadline: int, output: Callable[[str], None]) -> int:
        """Run a program on the host itself, without input, and hand its lines to `output`; its exit code, 127 for none.

        TargetError when there is no way to the host but its engine's, or it has not ended after `deadline` seconds.
        """

    def close(self) -> None:
        """Let go of the connection."""
