"""The tar streams that an engine loads images from, written by the agent itself from signed digests (THREATS 20, 21).

One stream brings one image, as the archive of `docker save` (classic stores) and as an OCI image layout (containerd's).
No tag is in it, and no name but digests. Layers that the engine holds already may be left out of a stream for a classic
store: it looks for the chain of a layer before it looks for the layer's bytes.
"""

import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from agent.targets.engine import Blobs
from bundle_format.canonical import canonical
from bundle_format.digest import Digest, chunks, digest_of, hex_of
from bundle_format.errors import DamageError
from bundle_format.release.model import Image

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LARGEST_DOCUMENT = 8 << 20


def image_archive(
    image: Image,
    blobs: Blobs,
    layers: Sequence[Digest],
    *,
    layout: bool,
    before_end: Callable[[], None] = lambda: None,
) -> Iterator[bytes]:
    """The stream that brings `image`, with the bytes of `layers` alone; as an OCI layout too where `layout` says so.

    DamageError, before the first byte, when the image's own documents do not name just its layers. An engine begins to
    unpack once it has the whole stream: `before_end` may wait for what it has to hold by then, or raise.
    """
    documents = [_config(image, blobs)]
    if layout:
        documents.append(manifest_of(image, blobs))
        yield from _file("oci-layout", canonical({"imageLayoutVersion": "1.0.0"}))
        descriptor = {"mediaType": MANIFEST, "digest": image.manifest, "size": len(documents[1])}
        yield from _file("index.json", canonical({"schemaVersion": 2, "manifests": [descriptor]}))
    for document in documents:
        yield from _file(_place(digest_of(document)), document)
    for layer in dict.fromkeys(layers):
        yield _header(_place(layer), blobs.size(layer))
        with blobs.open(layer) as stream:
            yield from chunks(stream)
        yield _padding(blobs.size(layer))
    before_end()
    entry = {"Config": _place(image.config), "RepoTags": None, "Layers": [_place(layer) for layer in image.layers]}
    yield from _file("manifest.json", canonical([entry]))
    yield bytes(2 * tarfile.BLOCKSIZE)


def _config(image: Image, blobs: Blobs) -> bytes:
    content, config = _document(image.config, blobs)
    if _at(config, "rootfs", "diff_ids") != list(image.layers):
        raise DamageError(f"the configuration {image.config} of image {image.tag} names other layers than the release")
    return content


def manifest_of(image: Image, blobs: Blobs) -> bytes:
    """The manifest of an image; DamageError when it does not name just the blobs that the release does."""
    content, manifest = _document(image.manifest, blobs)
    layers = _at(manifest, "layers")
    named = [_at(layer, "digest") for layer in layers] if isinstance(layers, list) else None
    if _at(manifest, "config", "digest") != image.config or named != list(image.layers):
        raise DamageError(f"the manifest {image.manifest} of image {image.tag} names other blobs than the release")
    return content


def _document(digest: Digest, blobs: Blobs) -> tuple[bytes, Any]:
    if blobs.size(digest) > LARGEST_DOCUMENT:
        raise DamageError(f"blob {digest} is too large to describe an image")
    with blobs.open(digest) as stream:
        content = stream.read()
    if digest_of(content) != digest:
        raise DamageError(f"blob {digest} does not have the content that its name promises")
    try:
        return content, json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamageError(f"blob {digest} does not describe an image: {error}") from error


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _place(digest: Digest) -> str:
    return f"blobs/sha256/{hex_of(digest)}"


def _file(name: str, content: bytes) -> Iterator[bytes]:
    yield _header(name, len(content)) + content + _padding(len(content))


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)
