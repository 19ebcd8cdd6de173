"""Volumes, whose root and content the engine shows only to a container: to one of ours that never runs.

Its image is empty and made here. While a volume is new, that container is made first and goes last, so that one that is
still there tells of a volume whose making was cut short.
"""

import io
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from agent.labels import Labels
from agent.targets.archive import CONFIG, LAYER, MANIFEST, image_archive
from agent.targets.docker.connection import Connection, RefusedError
from agent.targets.docker.files import ARCHIVE_SECONDS, archive_of
from agent.targets.docker.loading import image_ids
from bundle_format.canonical import canonical
from bundle_format.digest import Digest, digest_of
from bundle_format.errors import TargetError
from bundle_format.release.deployment import Volume
from bundle_format.release.model import Image

ROOT = "floto.root"
"""Label of a volume whose root has an owner or mode of the definition's choice, which no image may change."""

INSIDE = "/volume"
_UNREADY = "floto-new-volume-"
_DOOR = "floto-volume-"


def is_door(container: str) -> bool:
    """Whether a container of that name is one of this room's, which nobody else should see."""
    return container.startswith((_UNREADY, _DOOR))


def unready_volumes(containers: Iterable[str]) -> frozenset[str]:
    """The volumes whose making was cut short, from the names of all containers."""
    return frozenset(name.removeprefix(_UNREADY) for name in containers if name.startswith(_UNREADY))


class Volumes:
    """The volumes of one engine."""

    def __init__(self, connection: Connection, architecture: str) -> None:
        self._connection = connection
        self._architecture = architecture

    def make(self, volume: Volume, labels: Labels) -> None:
        """Make a volume, give its root the owner and mode it shall have; repeatable until it is done."""
        root = (volume.uid, volume.gid, volume.mode)
        marks = labels.to_mapping()
        if root != (None, None, None):
            marks[ROOT] = ":".join("" if part is None else str(part) for part in root)
        with self._door(_UNREADY + volume.name, volume.name, marks) as container:
            if ROOT in marks:
                member = tarfile.TarInfo(INSIDE.removeprefix("/"))
                member.type, member.mode = tarfile.DIRTYPE, 0o755 if volume.mode is None else volume.mode
                member.uid, member.gid = volume.uid or 0, volume.gid or 0
                self._put(container, "/", _tar(member))

    def unready(self, name: str) -> frozenset[str]:
        """`name` alone if its making was cut short."""
        found = self._connection.find(f"/containers/{_UNREADY}{name}/json")
        return frozenset({name} if found else ())

    def remove(self, name: str) -> None:
        """Remove a volume and our own doors to it."""
        for door in (_UNREADY, _DOOR):
            self._connection.delete(f"/containers/{door}{name}")
        self._connection.delete(f"/volumes/{name}")

    def read(self, name: str, labels: Labels) -> Iterator[bytes]:
        """A volume's content as a tar."""
        with self._door(_DOOR + name, name, labels.to_mapping()) as container:
            path = f"/containers/{container}/archive"
            with self._connection.stream("GET", path, query={"path": INSIDE}, seconds=ARCHIVE_SECONDS) as response:
                yield from response.iter_content(1 << 20)

    def write(self, name: str, labels: Labels, content: Iterator[bytes]) -> None:
        """Replace a volume's content by that of a tar."""
        with self._door(_DOOR + name, name, labels.to_mapping()) as container:
            self._clear(name, container)
            self._put(container, "/", content)

    def _clear(self, name: str, container: str) -> None:
        # The API knows no removal inside a volume. But to unpack a member the engine first removes what has its name,
        # whole; a link to nothing then fails, and nothing is left. Whether it did so is looked at afterwards.
        for path in self._top(container):
            member = tarfile.TarInfo(f"{INSIDE.removeprefix('/')}/{path}")
            member.type, member.linkname = tarfile.LNKTYPE, "floto/nothing"
            with suppress(RefusedError):
                self._put(container, "/", _tar(member))
        if left := self._top(container):
            raise TargetError(
                f"{self._connection.host}: volume {name} could not be emptied: {', '.join(sorted(left)[:3])} is still "
                "there, and the volume was not restored",
                "empty it by hand on the host, then run the same again",
            )

    def _top(self, container: str) -> set[str]:
        with archive_of(self._connection, container, INSIDE) as archive:
            return {member.name.split("/")[1] for member in archive if "/" in member.name}

    def _put(self, container: str, folder: str, content: Iterator[bytes] | bytes) -> None:
        path = f"/containers/{container}/archive"
        self._connection.put(path, content, seconds=ARCHIVE_SECONDS, path=folder)

    @contextmanager
    def _door(self, container: str, volume: str, marks: dict[str, str]) -> Iterator[str]:
        self._connection.delete(f"/containers/{container}")
        mount = {"Type": "volume", "Source": volume, "Target": INSIDE, "VolumeOptions": {"Labels": marks}}
        body = {"Image": self._image(), "Labels": marks, "HostConfig": {"Mounts": [mount], "NetworkMode": "none"}}
        made: str = self._connection.post("/containers/create", body, name=container)["Id"]
        yield made
        self._connection.delete(f"/containers/{made}")

    def _image(self) -> str:
        image, blobs = _empty_image(self._architecture)
        known = image_ids(self._connection, [image])
        if not known:
            archive = b"".join(image_archive(image, blobs, image.layers, layout=True))
            with self._connection.stream("POST", "/images/load", query={"quiet": True}, content=archive) as response:
                said = response.text
            known = image_ids(self._connection, [image])
        if not known:
            raise TargetError(f"{self._connection.host}: the engine did not take an empty image: {said[:200]}")
        return known[image.config]


def _empty_image(architecture: str) -> tuple[Image, "_Memory"]:
    blobs = _Memory()
    layer = blobs.put(bytes(2 * tarfile.BLOCKSIZE))
    described = {"architecture": architecture, "os": "linux", "config": {"Cmd": ["nothing"]}}
    config = blobs.put(canonical({**described, "rootfs": {"type": "layers", "diff_ids": [layer]}}))
    parts = [
        {"mediaType": media_type, "digest": digest, "size": blobs.size(digest)}
        for media_type, digest in ((CONFIG, config), (LAYER, layer))
    ]
    manifest = blobs.put(
        canonical({"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0], "layers": parts[1:]})
    )
    image = Image(tag="floto-empty", config=config, manifest=manifest, layers=(layer,), size=blobs.size(layer))
    return image, blobs


class _Memory:
    """Blobs at hand."""

    def __init__(self) -> None:
        self._blobs: dict[Digest, bytes] = {}

    def put(self, content: bytes) -> Digest:
        digest = digest_of(content)
        self._blobs[digest] = content
        return digest

    def size(self, digest: Digest) -> int:
        return len(self._blobs[digest])

    def open(self, digest: Digest) -> io.BytesIO:
        return io.BytesIO(self._blobs[digest])


def _tar(member: tarfile.TarInfo) -> bytes:
    return member.tobuf(tarfile.GNU_FORMAT) + bytes(2 * tarfile.BLOCKSIZE)
