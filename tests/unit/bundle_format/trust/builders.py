"""Small keys, roots and claims for the tests of trust; keys come from a name, so that runs repeat."""

import hashlib

from bundle_format.digest import Digest, digest_of
from bundle_format.trust.documents import Document, channel_id
from bundle_format.trust.roots import Role, Roles, Root
from bundle_format.trust.signing import Signer
from bundle_format.trust.trust import Claim

DAY = 86_400
START = 1_700_000_000


def key(name: str) -> Signer:
    return Signer(hashlib.sha256(name.encode()).digest())


def role(*names: str, threshold: int = 1) -> Role:
    return Role(keys=names, threshold=threshold)


def make_root(
    version: int = 1,
    *,
    root: Role | None = None,
    release: Role | None = None,
    authorise: Role | None = None,
    product: str = "shop",
    channels: dict[str, int] | None = None,
    revoked: dict[Digest, str] | None = None,
    issued: int = START,
    expires: int | None = None,
) -> Root:
    root = root or role("acme")
    roles = Roles(root=root, release=release or root, authorise=authorise or root)
    names = {*roles.root.keys, *roles.release.keys, *roles.authorise.keys}
    return Root(
        product=product,
        version=version,
        issued=issued,
        expires=expires,
        keys={name: key(name).public.raw.hex() for name in sorted(names)},
        roles=roles,
        channels=channels or {"stable": 0},
        revoked=revoked or {},
    )


def signed(root: Root, *names: str) -> Document:
    document = root.to_document()
    for name in names:
        document = document.signed(key(name).sign(document.message))
    return document


def make_claim(
    *names: str,
    sequence: int = 1,
    product: str = "shop",
    channel: str = "stable",
    minimum_root: int = 1,
    index: Digest = digest_of(b"index"),  # noqa: B008
) -> Claim:
    wanted = channel_id(product, channel)
    message = b"floto/bundle-header/v1\0" + wanted + sequence.to_bytes(8, "little") + index.encode()
    signatures = tuple(key(name).sign(message) for name in names)
    return Claim(message, signatures, wanted, sequence, minimum_root, index)
