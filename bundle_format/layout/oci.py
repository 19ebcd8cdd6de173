"""The documents that make a bundle's tar an OCI layout and a docker archive at once, for the day without floto."""

from collections.abc import Callable, Iterable

from bundle_format.canonical import canonical
from bundle_format.digest import Digest, hex_of
from bundle_format.release.model import Image

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"

LAYOUT = canonical({"imageLayoutVersion": "1.0.0"})
"""The member `oci-layout` (OCI image layout 1.0.0)."""


def image_index(images: Iterable[Image], size_of: Callable[[Digest], int]) -> bytes:
    """The member `index.json`: every image by its tag; containerd reads one annotation, skopeo the other."""
    manifests = []
    for image in images:
        system, _, architecture = image.platform.partition("/")
        architecture, _, variant = architecture.partition("/")
        platform = {"os": system, "architecture": architecture} | ({"variant": variant} if variant else {})
        names = {"org.opencontainers.image.ref.name": image.tag, "io.containerd.image.name": image.tag}
        manifests.append(
            {
                "mediaType": _MANIFEST,
                "digest": image.manifest,
                "size": size_of(image.manifest),
                "platform": platform,
                "annotations": names,
            }
        )
    return canonical(
        {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests}
    )


def docker_manifest(images: Iterable[Image]) -> bytes:
    """The member `manifest.json`, which `docker load` of any age reads."""
    return canonical(
        [
            {
                "Config": _path(image.config),
                "RepoTags": [image.tag] if ":" in image.tag.rpartition("/")[2] else [],
                "Layers": [_path(layer) for layer in image.layers],
            }
            for image in images
        ]
    )


def _path(digest: Digest) -> str:
    return f"blobs/sha256/{hex_of(digest)}"
