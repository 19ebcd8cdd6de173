"""Root documents: whose keys count for what, and how one version hands over to the next (SPEC.md, root documents)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Final, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from bundle_format.canonical import canonical, parse_canonical
from bundle_format.digest import Digest
from bundle_format.errors import BadSignatureError, RefusedError, UnknownKeyError
from bundle_format.release.fields import Name, Seconds
from bundle_format.release.model import DigestText
from bundle_format.release.value import Path, Value, faults_of
from bundle_format.trust.documents import Document, Kind, product_id
from bundle_format.trust.signing import SLOTS, PublicKey, Signature, verify

FORMAT: Final = "floto-root/1"

RoleName = Literal["root", "release", "authorise"]
ROLES: Final[tuple[RoleName, ...]] = ("root", "release", "authorise")


def _key_text(text: str) -> str:
    PublicKey(bytes.fromhex(text))
    return text


KeyText = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$"), AfterValidator(_key_text)]
Sequence = Annotated[int, Field(ge=0, lt=2**53)]


class Role(Value):
    """Keys by name, and how many different ones of them must sign."""

    keys: tuple[Name, ...]
    threshold: Annotated[int, Field(ge=1, le=SLOTS)]


class Roles(Value):
    """Who may hand over the root, sign bundles, and allow what the rules forbid."""

    root: Role
    release: Role
    authorise: Role


class Root(Value):
    """What a product's owners say, in one version: keys, roles, channels, and what is revoked.

    `issued` and `expires` are seconds since 1970 UTC; `channels` gives the lowest sequence that still counts;
    `revoked` gives a reason for the index digest of each bundle that must not be used any more.
    """

    format: Literal["floto-root/1"] = FORMAT
    product: Name
    version: Annotated[int, Field(ge=1, lt=2**32)]
    issued: Seconds
    expires: Seconds | None = None
    keys: dict[Name, KeyText]
    roles: Roles
    channels: dict[Name, Sequence]
    revoked: dict[DigestText, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        found = faults_in(self.keys, self.roles, self.channels)
        if faults := [f"{'.'.join(map(str, path))}: {fault}" for path, fault in found]:
            raise ValueError("; ".join(faults))
        return self

    def role_keys(self, role: RoleName) -> dict[str, PublicKey]:
        """The keys of a role by name; no key is there under two names."""
        named: Role = getattr(self.roles, role)
        return {name: PublicKey(bytes.fromhex(self.keys[name])) for name in named.keys}

    def threshold(self, role: RoleName) -> int:
        """How many different keys of the role must sign."""
        named: Role = getattr(self.roles, role)
        return named.threshold

    def to_document(self) -> Document:
        """The document to be signed."""
        payload = canonical(self.model_dump(mode="json"))
        return Document(Kind.ROOT, product_id(self.product), self.version, payload)


def faults_in(keys: Mapping[str, str], roles: Roles, channels: Mapping[str, int]) -> Iterator[tuple[Path, str]]:
    """Where and how the parts of a root document contradict one another; nothing when they are sound."""
    if len(set(keys.values())) != len(keys):
        yield ("keys",), "the same key is there under two names"
    if not channels:
        yield ("channels",), "at least one is needed"
    for name in ROLES:
        role: Role = getattr(roles, name)
        yield from ((("roles", name), f"no key is named {key!r}") for key in role.keys if key not in keys)
        if len(set(role.keys)) != len(role.keys):
            yield ("roles", name), "a key is named twice"
        if role.threshold > len(role.keys):
            yield ("roles", name), f"{role.threshold} signatures are asked of {len(role.keys)} keys"


Payload = TypeVar("Payload", bound=Value)


def payload_of(document: Document, kind: type[Payload]) -> Payload:
    """Read a payload whose signatures were counted; RefusedError with every fault when it says nothing sound."""
    try:
        parse_canonical(document.payload)
        return kind.model_validate_json(document.payload)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, path)) or 'it'}: {fault}" for path, fault in faults_of(error))
    except ValueError as error:
        faults = str(error)
    raise RefusedError(f"the document is signed, and yet not understood: {faults}", "A newer agent may know it.")


def root_of(document: Document) -> Root:
    """Read the payload of a root document whose signatures were counted; RefusedError when it says nothing sound."""
    root = payload_of(document, Root)
    if document.kind is not Kind.ROOT:
        raise RefusedError("the document is no root document")
    if root.version != document.version or product_id(root.product) != document.product_id:
        raise RefusedError("the root document contradicts its own page")
    return root


def signers_among(root: Root, role: RoleName, message: bytes, signatures: Iterable[Signature]) -> tuple[str, ...]:
    """The names of the role's keys that signed, in order; BadSignatureError when one is named and did not.

    Public keys are counted, never slots, so that one signature repeated stays one.
    """
    named = {key.key_id: (name, key) for name, key in root.role_keys(role).items()}
    signers = set()
    for signature in signatures:
        if signature.key_id not in named:
            continue
        name, key = named[signature.key_id]
        if not verify(key, message, signature):
            raise BadSignatureError(
                f"BAD signature: the key {name!r} did not sign these bytes",
                "They were changed after signing, or somebody forged them. Do not use them; tell who sent them.",
            )
        signers.add(name)
    return tuple(sorted(signers))


def count_signers(root: Root, role: RoleName, message: bytes, signatures: Iterable[Signature]) -> tuple[str, ...]:
    """The same, and UnknownKeyError when they are fewer than the role's threshold."""
    signers = signers_among(root, role, message, signatures)
    threshold = root.threshold(role)
    if len(signers) < threshold:
        raise UnknownKeyError(
            f"signed by {len(signers)} of the {threshold} keys that {root.product!r} asks for ({role})",
            "Get a copy with all signatures, or the root document that names the new keys.",
        )
    return signers


def check_still_counts(root: Root, channel: str, sequence: int, index: Digest) -> None:
    """RefusedError where the makers revoked the bundle whose index has that digest, or withdrew its sequence."""
    if index in root.revoked:
        raise RefusedError(f"the makers revoked the bundle: {root.revoked[index]}", "Use another release.")
    if sequence < root.channels[channel]:
        raise RefusedError(
            f"the makers withdrew sequence {sequence} of {root.product} {channel}; "
            f"the lowest that counts is {root.channels[channel]}",
            "Use a newer release.",
        )


def first_root(document: Document) -> Root:
    """The root of a document that is enrolled by its fingerprint; it must be signed by its own threshold."""
    root = root_of(document)
    count_signers(root, "root", document.message, document.signatures)
    return root


def next_root(root: Root, document: Document) -> Root:
    """The root that follows `root`: one version on, signed by the thresholds of both; TrustError otherwise."""
    if document.kind is not Kind.ROOT or document.version != root.version + 1:
        raise UnknownKeyError(
            f"no root document leads from version {root.version} to {document.version}",
            "Get the versions between, or a bundle that carries them.",
        )
    count_signers(root, "root", document.message, document.signatures)
    following = first_root(document)
    if following.product != root.product:
        raise RefusedError(f"the root document is for {following.product!r}, not for {root.product!r}")
    if following.issued < root.issued:
        raise RefusedError(f"root version {following.version} was issued before version {root.version}")
    return following
