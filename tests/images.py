"""Small images for tests, made byte by byte: a busybox that both a real engine and the fake can run."""

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from bundle_format.digest import Digest, digest_of
from bundle_format.errors import MissingError
from bundle_format.release.model import Image

BUSYBOX = Path("/bin/busybox")
"""From Debian's package busybox-static."""

APPLETS = (
    "sh",
    "sleep",
    "cat",
    "echo",
    "true",
    "false",
    "test",
    "httpd",
    "wget",
    "stat",
    "id",
    "touch",
    "env",
    "ls",
    "hostname",
    "find",
    "sort",
    "mkdir",
    "ln",
    "chmod",
)


class Shelf:
    """Blobs in memory, as an engine reads them from the site's store; `opened` tells which were read."""

    def __init__(self) -> None:
        self._blobs: dict[Digest, bytes] = {}
        self.opened: list[Digest] = []

    def put(self, content: bytes) -> Digest:
        digest = digest_of(content)
        self._blobs[digest] = content
        return digest

    def lie(self, digest: Digest, content: bytes) -> None:
        """Answer for `digest` with other bytes: a store that was tampered with."""
        self._blobs[digest] = content

    def size(self, digest: Digest) -> int:
        return len(self._content(digest))

    def open(self, digest: Digest) -> BinaryIO:
        self.opened.append(digest)
        return io.BytesIO(self._content(digest))

    def _content(self, digest: Digest) -> bytes:
        if digest not in self._blobs:
            raise MissingError(f"blob {digest} is not here")
        return self._blobs[digest]


def layer(files: Mapping[str, bytes | str]) -> bytes:
    """A layer's tar; a text value is where a symbolic link points to."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for folder in sorted({str(parent) for name in files for parent in Path(name).parents} - {"."}):
            member = tarfile.TarInfo(folder)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(member)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.mode = 0o755
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def busybox_layer() -> bytes:
    """A root file system of one static program."""
    links: dict[str, bytes | str] = {f"bin/{name}": "busybox" for name in APPLETS}
    return layer(
        {"bin/busybox": BUSYBOX.read_bytes(), "etc/motd": b"image\n", "srv/www/index.html": b"image\n", **links}
    )


def make_image(shelf: Shelf, tag: str, layers: Sequence[bytes], **config: object) -> Image:
    """Put an image's blobs on the shelf; `config` as in the OCI image configuration (Cmd, Env, Healthcheck...)."""
    return image_of(shelf, tag, [shelf.put(content) for content in layers], sum(map(len, layers)), **config)


def image_of(shelf: Shelf, tag: str, diff_ids: Sequence[Digest], size: int, **config: object) -> Image:
    """Put the documents of an image on the shelf whose layers are there."""
    text = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2024-01-01T00:00:00Z",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created": "2024-01-01T00:00:00Z", "created_by": tag} for _ in diff_ids],
    }
    configuration = _put_json(shelf, text)
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _descriptor(shelf, configuration, "application/vnd.oci.image.config.v1+json"),
        "layers": [_descriptor(shelf, digest, "application/vnd.oci.image.layer.v1.tar") for digest in diff_ids],
    }
    manifest_digest = _put_json(shelf, manifest)
    return Image(tag=tag, config=configuration, manifest=manifest_digest, layers=tuple(diff_ids), size=size)


def _put_json(shelf: Shelf, value: object) -> Digest:
    return shelf.put(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


def _descriptor(shelf: Shelf, digest: Digest, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest, "size": shelf.size(digest)}
