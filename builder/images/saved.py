"""What `docker save` hands out: a stream of images in the old layout or in OCI's, read into the store and proved."""

import json
import posixpath
import tarfile
from collections.abc import Collection, Mapping
from itertools import chain
from typing import Any, BinaryIO

from builder.images.oci import MOST_JSON, layers_of, read_config
from bundle_format.digest import CHUNK, Digest
from bundle_format.errors import DamageError, DefinitionError
from bundle_format.inflate import inflate
from bundle_format.pieces import stream_of
from bundle_format.store import Store

_MANIFEST = "manifest.json"
_NOT_BLOBS = {"VERSION", "json", "repositories", "oci-layout", "index.json"}


def apart(images: Mapping[str, Collection[Digest]]) -> list[list[str]]:
    """Images, told by their layers, in groups that have no layer in common: saved apart, nothing comes twice."""
    groups: list[tuple[set[Digest], list[str]]] = []
    for image, layers in images.items():
        related = [group for group in groups if not group[0].isdisjoint(layers)]
        groups = [group for group in groups if group not in related]
        groups.append(
            (set(layers).union(*(known for known, _ in related)), [*chain(*(names for _, names in related)), image])
        )
    return [names for _, names in groups]


def read_saved(stream: BinaryIO, store: Store) -> list[Digest]:
    """Keep every layer of `stream`, uncompressed, and return the digests of its images' configurations.

    DamageError unless each image's layers are those that its configuration names.
    """
    blobs: dict[str, Digest] = {}
    links: dict[str, str] = {}
    manifest: bytes | None = None
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=CHUNK) as archive:
            for member in archive:
                if member.issym():
                    links[member.name] = posixpath.normpath(
                        posixpath.join(posixpath.dirname(member.name), member.linkname)
                    )
                elif member.name == _MANIFEST:
                    manifest = _read(archive, member)
                elif member.isfile() and posixpath.basename(member.name) not in _NOT_BLOBS:
                    blobs[member.name] = _keep(archive, member, store)
    except tarfile.TarError as error:
        raise DamageError(f"the saved images are cut or broken: {error}", "Save or build them again.") from error
    blobs |= {name: blobs[target] for name, target in links.items() if target in blobs}
    return [_proved(image, blobs, store) for image in _images(manifest)]


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    content = archive.extractfile(member)
    if content is None or member.size > MOST_JSON:
        raise DamageError(f"the saved images have no readable {_MANIFEST}")
    return content.read()


def _keep(archive: tarfile.TarFile, member: tarfile.TarInfo, store: Store) -> Digest:
    content = archive.extractfile(member)
    assert content is not None
    return store.add(stream_of(inflate(content))).digest


def _images(manifest: bytes | None) -> list[Mapping[str, Any]]:
    try:
        images = json.loads(manifest or b"")
        return [{"Config": str(image["Config"]), "Layers": [*map(str, image["Layers"])]} for image in images]
    except (ValueError, KeyError, TypeError) as error:
        raise DamageError(f"the saved images have no readable {_MANIFEST}") from error


def _proved(image: Mapping[str, Any], blobs: Mapping[str, Digest], store: Store) -> Digest:
    config = blobs.get(image["Config"])
    if config is None:
        raise DamageError(f"a saved image lacks its configuration {image['Config']}")
    try:
        named = layers_of(read_config(store, config))
    except DefinitionError as error:
        raise DamageError(f"a saved image's configuration cannot be read: {image['Config']}") from error
    if [blobs.get(layer) for layer in image["Layers"]] != list(named):
        raise DamageError(
            f"the layers of a saved image are not those that its configuration {config} names",
            "The engine's own copy is damaged: remove the image there and build or pull it again.",
        )
    return config
