"""The bill of materials as CycloneDX 1.6, the same text for the same release."""

import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from builder.attestations.packages import Package
from builder.attestations.scan import Contents
from bundle_format import __version__
from bundle_format.digest import Digest, hex_of
from bundle_format.release.model import Release

_OURS = uuid.UUID("8b7d7b0a-3a0e-5d0c-9a59-2f6f0c6d1a5e")
"""The name space of the serial numbers of our documents."""


def bill_of(
    release: Release, definition: Digest, images: Mapping[str, Contents], disks: Mapping[str, Contents], issued: int
) -> bytes:
    """The document for `release`: what its `images` and machine images (`disks`) hold by name.

    `issued` is seconds since 1970 UTC.
    """
    product = Component(
        type=ComponentType.APPLICATION, name=release.product, version=release.version, bom_ref="product"
    )
    bom = Bom(serial_number=uuid.uuid5(_OURS, definition))
    bom.metadata.component = product
    bom.metadata.timestamp = datetime.fromtimestamp(issued, UTC)
    bom.metadata.tools.components.add(
        Component(type=ComponentType.APPLICATION, name="floto-builder", version=__version__, bom_ref="tool")
    )
    held = {
        **{_image(name, release.images[name].config, one.unread): one for name, one in sorted(images.items())},
        **{_disk(name, release.machine_images[name].disk, one.unread): one for name, one in sorted(disks.items())},
    }
    packages = {package: _component(package) for one in held.values() for package in one.packages}
    files = [_file(path, file.digest) for path, file in sorted(release.files.items())]
    for component in (*packages.values(), *held, *files):
        bom.components.add(component)
    bom.register_dependency(product, [*held, *files])
    for holder, one in held.items():
        bom.register_dependency(holder, [packages[package] for package in one.packages])
    return JsonV1Dot6(bom).output_as_string(indent=1).encode()


def _component(package: Package) -> Component:
    return Component(
        type=ComponentType.LIBRARY,
        group=package.group or None,
        name=package.name,
        version=package.version,
        purl=_url(package),
        bom_ref=_url(package).to_string(),
    )


def _url(package: Package) -> PackageURL:
    qualifiers = {"arch": package.architecture, "distro": package.distribution}
    return PackageURL(package.kind, package.group or None, package.name, package.version, qualifiers)


def _image(name: str, config: Digest, unread: Iterable[str]) -> Component:
    return Component(
        type=ComponentType.CONTAINER,
        name=name,
        version=config,
        hashes=[_hash(config)],
        bom_ref=f"image:{name}",
        properties=[Property(name="floto:unread", value=one) for one in unread],
    )


def _disk(name: str, disk: Digest, unread: Iterable[str]) -> Component:
    return Component(
        type=ComponentType.OPERATING_SYSTEM,
        name=name,
        version=disk,
        hashes=[_hash(disk)],
        bom_ref=f"machine image:{name}",
        properties=[Property(name="floto:unread", value=one) for one in unread],
    )


def _file(path: str, digest: Digest) -> Component:
    return Component(type=ComponentType.FILE, name=path, hashes=[_hash(digest)], bom_ref=f"file:{path}")


def _hash(digest: Digest) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=hex_of(digest))
