"""Small signed bundles for tests: keys made from names, a root document that believes them, a release."""

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bundle_format.blob import Blob
from bundle_format.digest import Digest
from bundle_format.progress import Silence
from bundle_format.release.model import File, Image, Release, Variant
from bundle_format.store import Store
from bundle_format.trust.documents import Document
from bundle_format.trust.roots import Role, Roles, Root
from bundle_format.trust.signing import Signer
from bundle_format.trust.trust import Trust, trust_in
from bundle_format.writer import Heading, Written, types_in, write_bundle
from tests.images import Shelf, layer, make_image

ISSUED = 1_700_000_000


def key(name: str) -> Signer:
    return Signer(hashlib.sha256(name.encode()).digest())


def root_document(*names: str, product: str = "shop", threshold: int = 1) -> Document:
    """Version 1 of a root whose every role belongs to the keys of these names."""
    role = Role(keys=names, threshold=threshold)
    root = Root(
        product=product,
        version=1,
        issued=ISSUED,
        keys={name: key(name).public.raw.hex() for name in names},
        roles=Roles(root=role, release=role, authorise=role),
        channels={"stable": 0},
    )
    document = root.to_document()
    for name in names:
        document = document.signed(key(name).sign(document.message))
    return document


def noise(seed: int, size: int) -> bytes:
    """Bytes that do not compress, the same for the same seed."""
    return random.Random(seed).randbytes(size)


class Shelved(Shelf):
    """A store as the shelf that images are put on."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, content: bytes) -> Digest:
        return self._store.add_bytes(content).digest

    def size(self, digest: Digest) -> int:
        return self._store.size(digest)


def make_release(store: Store, files: Mapping[str, bytes], images: Mapping[str, Image], version: str = "1") -> Release:
    """A release of these files and images, whose definition is one line long."""
    blobs: dict[str, Blob] = {name: store.add_bytes(content) for name, content in files.items()}
    return Release(
        product="shop",
        version=version,
        evaluator="test",
        sources={"site.star": store.add_bytes(b'project("shop")\n').digest},
        images=dict(images),
        files={name: File(digest=blob.digest, size=blob.size) for name, blob in blobs.items()},
        variants=(Variant(when={}, objects={}),),
    )


@dataclass(frozen=True)
class Made:
    """A bundle, its release, and a trust that believes its signer."""

    path: Path
    store: Store
    release: Release
    trust: Trust
    written: Written

    @property
    def blobs(self) -> tuple[Digest, ...]:
        return tuple(types_in(self.release))


def make_bundle(
    folder: Path,
    files: Mapping[str, bytes] | None = None,
    layers: tuple[bytes, ...] | None = None,
    *,
    name: str = "shop-1.floto",
    version: str = "1",
    sequence: int = 1,
    signer: str = "acme",
    chain: tuple[Document, ...] = (),
) -> Made:
    """Write `folder`/`name`: a release of `files` and one image of `layers`."""
    store = Store(folder / "store", threads=2)
    if files is None:
        files = {"conf/app.conf": b"listen 80;\n", "data.bin": noise(1, 5000)}
    images = {"web": make_image(Shelved(store), "shop/web:1", layers or (layer({"etc/motd": b"hello\n"}),))}
    release = make_release(store, files, images, version)
    written = write_bundle(
        folder / name,
        release,
        tuple(types_in(release)),
        store,
        header=Heading(channel="stable", sequence=sequence, issued=ISSUED),
        signers=[key(signer)],
        root_chain=[document.to_bytes() for document in chain],
        progress=Silence(),
    )
    return Made(written.path, store, release, trust_in(root_document("acme")), written)


def sign_and_write(path: Path, release: Release, store: Store, sequence: int) -> Path:
    """A full bundle of a release at `path`, signed by acme alone; its path."""
    header = Heading(channel="stable", sequence=sequence, issued=ISSUED)
    written = write_bundle(
        path,
        release,
        tuple(types_in(release)),
        store,
        header=header,
        signers=[key("acme")],
        root_chain=[],
        progress=Silence(),
    )
    return written.path
