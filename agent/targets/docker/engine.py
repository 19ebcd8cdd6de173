"""A docker engine as an Engine: every verb looks first, changes only what is ours, and may be repeated."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import requests

from agent.labels import Adopted, Labels, Owner, labels_from
from agent.state import ContainerState, DiskUse, EngineFacts, EngineState, ImageState, VolumeState
from agent.steps import Limits
from agent.targets.docker.connection import ANSWER_SECONDS, Connection, RefusedError
from agent.targets.docker.containers import Containers, not_ours
from agent.targets.docker.creating import FILES_OF
from agent.targets.docker.files import read_file
from agent.targets.docker.loading import Loader, image_ids, is_whole, load_images
from agent.targets.docker.reading import container_from, disk_from, facts_from, image_from, network_from, volume_from
from agent.targets.docker.swarm.swarm import DockerSwarm
from agent.targets.docker.volumes import Volumes, is_door, unready_volumes
from agent.targets.engine import Blobs, LogLine
from agent.targets.local import local_host
from agent.targets.registry import Registry
from agent.targets.shell import HostShell, no_shell
from bundle_format.digest import Digest
from bundle_format.errors import TargetError
from bundle_format.progress import Progress
from bundle_format.release.deployment import Access, Container, Network, Volume
from bundle_format.release.model import Image

PARALLEL_LOOKS = 8
MEASURE_SECONDS = 300


class DockerEngine:
    """One host's docker engine, acting for one owner; safe to use from several threads."""

    def __init__(
        self,
        host: str,
        access: Access,
        owner: Owner,
        *,
        patience: float = ANSWER_SECONDS,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect; TargetError when the engine cannot be reached or says nothing for `patience` seconds.

        `now` is Unix time, `clock` counts seconds from any beginning.
        """
        self.host = host
        self._owner = owner
        self._adopted = frozenset[Adopted]()
        self._connection = Connection(host, access, patience)
        try:
            self._facts = self._introduced(now)
        except BaseException:
            self.close()
            raise
        self._local = local_host(access.engine, self._facts)
        self._shell = HostShell(host, access) if self._local or access.engine.startswith("ssh://") else None
        self._containers = Containers(self._connection, owner, clock)
        self._volumes = Volumes(self._connection, self._facts.architecture)
        self.swarm = DockerSwarm(self._connection, owner, Registry(host, access), clock)

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def adopt(self, things: Collection[Adopted]) -> None:
        """Take what of `things` is on this host for the owner's from now on."""
        self._adopted |= {one for one in things if one.host == self.host}
        self._containers.adopted = frozenset(one.key for one in self._adopted if one.kind == "container")

    # What is

    def observe(self) -> EngineState:
        """Everything there is, ours or not."""
        containers = self._each("/containers/{}/json", self._connection.get("/containers/json", all=True))
        states = [container_from(container) for container in containers]
        volumes = self._connection.get("/volumes")["Volumes"] or ()
        unready = unready_volumes(state.name for state in states)
        return EngineState(
            host=self.host,
            facts=self._facts,
            images=self._images(),
            containers=tuple(state for state in states if not is_door(state.name)),
            networks=tuple(network_from(network) for network in self._connection.get("/networks")),
            volumes=tuple(volume_from(volume, unready) for volume in volumes if not _holds_files(volume)),
            space=self._local.space() if self._local else None,
            listening=self._local.listening() if self._local else None,
            has_shell=self._shell is not None,
            swarm=self.swarm.observe(),
        )

    def inspect(self, container: str) -> ContainerState | None:
        """One container as it is now; None if there is none of that id or name."""
        found = self._connection.find(f"/containers/{container}/json")
        return container_from(found) if found else None

    def disk(self) -> DiskUse:
        """What fills the engine's root; slow, for it measures."""
        with self._connection.stream("GET", "/system/df", seconds=MEASURE_SECONDS) as response:
            return disk_from(response.json(), self._local.space() if self._local else None)

    def check_image(self, image: str) -> bool:
        """Read a loaded image back whole; False when the engine's copy is damaged."""
        return is_whole(self._connection, image)

    def read_file(self, container: str, path: str, limit: int) -> bytes | None:
        """A file inside a container; None if it is missing, no file, or over `limit` bytes."""
        return read_file(self._connection, container, path, limit)

    def logs(self, container: str, *, follow: bool, since: int | None, tail: int | None) -> Iterator[LogLine]:
        """A container's lines, oldest first."""
        return (self._containers.follow if follow else self._containers.logs)(container, since, tail)

    def run_on_host(self, command: Sequence[str], deadline: int, output: Callable[[str], None]) -> int:
        """Run a program on the host itself; its exit code."""
        if self._shell is None:
            raise no_shell(self.host)
        return self._shell.run(command, deadline, output)

    # Images

    def load_images(self, images: Sequence[Image], blobs: Blobs, progress: Progress) -> dict[Digest, str]:
        """Bring images to the engine: the engine's id by config digest."""
        known = image_ids(self._connection, images)
        missing = [image for image in images if image.config not in known]
        if missing:
            held = {chain for image in self._images() for chain in image.chains}
            known |= load_images(Loader(self._connection, self._facts.store, blobs, progress), missing, held)
            self._sync()
        return known

    def tag(self, image: str, tag: str) -> None:
        """Let `tag` name the image of this id."""
        name, _, version = tag.rpartition(":")
        self._connection.post(f"/images/{image}/tag", repo=name, tag=version)

    def remove_image(self, image: str, tags: Sequence[str]) -> None:
        """Take `tags` off an image and drop it unless others use or name it."""
        for tag in tags:
            named = self._connection.find(f"/images/{tag}/json")
            if named and named["Id"] == image:
                self._drop_image(tag)
        left = self._connection.find(f"/images/{image}/json")
        if left and not left["RepoTags"]:
            self._drop_image(image)

    # Containers

    def create_container(self, container: Container, name: str, labels: Labels, image: str) -> str:
        """Make a container called `name`, its rendered files inside, not started; its id."""
        return self._containers.create(container, name, labels, image)

    def rename(self, container: str, name: str) -> None:
        """Give a container another name."""
        self._containers.rename(container, name)

    def start(self, container: str) -> None:
        """Start a container."""
        self._containers.start(container)

    def update(self, container: str, limits: Limits) -> None:
        """Give a container other limits in place."""
        self._containers.update(container, limits)

    def stop(self, container: str, grace: int) -> None:
        """Stop a container with its own signal."""
        self._containers.stop(container, grace)

    def remove(self, container: str) -> None:
        """Remove a container that does not run."""
        self._containers.remove(container)

    def run_task(self, container: str, deadline: int, output: Callable[[LogLine], None]) -> int:
        """Run a one-off container to its end; its exit code."""
        return self._containers.run(container, deadline, output)

    # Networks and volumes

    def ensure_network(self, network: Network, labels: Labels) -> None:
        """Make a network if it is missing."""
        found = self._connection.find(f"/networks/{network.name}")
        if found:
            self._must_be_ours("network", network.name, found["Id"], found["Labels"])
            return
        place = {"Subnet": network.subnet, "Gateway": network.gateway}
        body = {
            "Name": network.name,
            "Driver": network.driver,
            "Internal": network.internal,
            "CheckDuplicate": True,
            "Attachable": network.driver == "overlay",  # so that containers may join a swarm's
            "IPAM": {"Config": [{key: text for key, text in place.items() if text}]} if network.subnet else {},
            "Labels": labels.to_mapping(),
        }
        self._connection.post("/networks/create", body)

    def remove_network(self, name: str) -> None:
        """Remove our network."""
        found = self._connection.find(f"/networks/{name}")
        if found:
            self._must_be_ours("network", name, found["Id"], found["Labels"])
            self._connection.delete(f"/networks/{found['Id']}")

    def ensure_volume(self, volume: Volume, labels: Labels) -> None:
        """Make a volume if it is missing and, once, set its owner and mode."""
        found = self._volume(volume.name)
        if found is None or not found.ready:
            self._volumes.make(volume, labels)

    def remove_volume(self, name: str) -> None:
        """Remove our volume and all its data."""
        if self._volume(name):
            self._volumes.remove(name)

    def read_volume(self, name: str) -> Iterator[bytes]:
        """A volume's content as a tar stream."""
        return self._volumes.read(name, self._labels_of_volume(name))

    def write_volume(self, name: str, content: Iterator[bytes]) -> None:
        """Replace a volume's content by a tar stream that `read_volume` gave."""
        self._volumes.write(name, self._labels_of_volume(name), content)

    # How

    def _introduced(self, now: Callable[[], float]) -> EngineFacts:
        info = self._connection.get("/info")
        if info["OSType"] != "linux":
            raise TargetError(
                f"{self.host}: the engine at {self._connection.address} runs {info['OSType']} containers; nothing was "
                "changed",
                "releases need Linux containers: switch the engine to them",
            )
        return facts_from(self._connection.address, self._connection.version, info, now())

    def _sync(self) -> None:
        try:
            if self._local:
                self._local.sync()
        except OSError as error:
            raise TargetError(
                f"{self.host}: the disk did not take the images: {error.strerror}; no container was changed",
                "look at the disk (dmesg), then run the same command again",
            ) from error

    def _images(self) -> tuple[ImageState, ...]:
        images = self._each("/images/{}/json", self._connection.get("/images/json", all=True))
        return tuple(image_from(image) for image in images)

    def _each(self, path: str, listed: Iterable[Any]) -> list[Any]:
        """The full JSON of everything in a list; what vanished meanwhile is left out."""
        with ThreadPoolExecutor(PARALLEL_LOOKS) as pool:
            found = pool.map(self._connection.find, (path.format(one["Id"]) for one in listed))
            return [one for one in found if one]

    def _drop_image(self, name: str) -> None:
        try:
            self._connection.delete(f"/images/{name}")
        except RefusedError as refused:
            if refused.status != requests.codes.conflict:
                raise

    def _volume(self, name: str) -> VolumeState | None:
        found = self._connection.find(f"/volumes/{name}")
        if found is None:
            return None
        self._must_be_ours("volume", name, name, found["Labels"])
        return volume_from(found, self._volumes.unready(name))

    def _labels_of_volume(self, name: str) -> Labels:
        found = self._volume(name)
        if found is None:
            raise TargetError(f"{self.host}: there is no volume {name}; nothing was changed", "run floto-agent status")
        # One that was adopted has no labels; the door that is made to it has, so that it is known for ours.
        return found.labels or Labels(self._owner.product, self._owner.site, self.host, name, "", "{}", "", "")

    def _must_be_ours(
        self, kind: Literal["network", "volume"], name: str, key: str, labels: dict[str, str] | None
    ) -> None:
        known = labels_from(labels or {})
        if known is None and Adopted(host=self.host, kind=kind, key=key) in self._adopted:
            return
        if known is None or known.owner != self._owner:
            raise not_ours(self.host, f"{kind} {name}")


def _holds_files(volume: Any) -> bool:
    return FILES_OF in (volume["Labels"] or {})
