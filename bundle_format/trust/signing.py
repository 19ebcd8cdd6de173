"""Ed25519 keys, what they sign, and the slots that hold signatures (SPEC.md, keys and signatures)."""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bundle_format.errors import SigningKeyError
from bundle_format.trust.passphrase import lock

KEY_SIZE = 32
SIGNATURE_SIZE = 64
SLOT_SIZE = 128
SLOTS = 29
SLOTS_SIZE = SLOT_SIZE * SLOTS

_ED25519 = 1
_SLOT = struct.Struct("<I28x32s64s")
_FIELD_PRIME = 2**255 - 19


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key: 32 bytes, in the one encoding that each key has."""

    raw: bytes

    def __post_init__(self) -> None:
        # A second spelling of the same point would count as a second key towards a threshold.
        height = int.from_bytes(self.raw, "little") & (2**255 - 1)
        if len(self.raw) != KEY_SIZE or height >= _FIELD_PRIME:
            raise ValueError("not an Ed25519 public key")

    @property
    def key_id(self) -> bytes:
        """32 bytes that name the key in a slot."""
        return hashlib.sha256(b"floto/key/v1\0ed25519\0" + self.raw).digest()

    def to_pem(self) -> bytes:
        """The key as `openssl pkey -pubin` reads it."""
        return Ed25519PublicKey.from_public_bytes(self.raw).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


@dataclass(frozen=True, slots=True)
class Signature:
    """What one slot says: the key that this id names has signed."""

    key_id: bytes
    content: bytes


class Signer:
    """A private key. Its bytes leave only through `to_pem`, and never show in a traceback or a log."""

    def __init__(self, seed: bytes) -> None:
        """`seed`: 32 bytes from the system's random source; ValueError for another length."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = PublicKey(self._key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> Signature:
        """Sign `message`; the same message gives the same signature (RFC 8032)."""
        return Signature(self.public.key_id, self._key.sign(message))

    def to_pem(self, passphrase: bytes = b"", salt: bytes = b"") -> bytes:
        """The key in PKCS #8 as `openssl pkey` reads it; a passphrase locks it and needs `salt`, 32 random bytes."""
        plain = self._key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        if passphrase:
            return lock(plain, passphrase, salt)
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def __repr__(self) -> str:
        return f"Signer({self.public.key_id.hex()[:16]})"


def needs_passphrase(pem: bytes) -> bool:
    """Whether a private key file is locked with a passphrase."""
    return b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in pem


def signer_from_pem(pem: bytes, passphrase: bytes = b"") -> Signer:
    """Read a private key file; SigningKeyError when it is none, or is locked with another passphrase."""
    if needs_passphrase(pem) and not passphrase:
        raise SigningKeyError("the private key is locked with a passphrase", "Give its passphrase.")
    try:
        key = serialization.load_pem_private_key(pem, passphrase if needs_passphrase(pem) else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = "the passphrase is wrong, or the file is damaged" if needs_passphrase(pem) else "no PEM private key"
        raise SigningKeyError(f"the private key cannot be read: {reason}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyError("the private key is no Ed25519 key", "Make one with: floto-builder keygen")
    return Signer(key.private_bytes_raw())


def public_from_pem(pem: bytes) -> PublicKey:
    """Read a public key file; SigningKeyError when it is none or no Ed25519 key."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SigningKeyError("the public key cannot be read: no PEM public key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise SigningKeyError("the public key is no Ed25519 key")
    return PublicKey(key.public_bytes_raw())


def verify(key: PublicKey, message: bytes, signature: Signature) -> bool:
    """Whether `key` signed exactly `message`."""
    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(signature.content, message)
    except (InvalidSignature, ValueError):
        return False
    return signature.key_id == key.key_id


def with_signature(signatures: Iterable[Signature], added: Signature) -> tuple[Signature, ...]:
    """The signatures with one more, sorted by key id; an older one by the same key gives way."""
    others = [signature for signature in signatures if signature.key_id != added.key_id]
    return tuple(sorted((*others, added), key=lambda signature: signature.key_id))


def encode_slots(signatures: Iterable[Signature]) -> bytes:
    """29 slots of 128 bytes, sorted by key id, the unused ones zero; ValueError for too many or the same key twice."""
    ordered = sorted(signatures, key=lambda signature: signature.key_id)
    if len(ordered) > SLOTS or len({signature.key_id for signature in ordered}) != len(ordered):
        raise ValueError(f"a page holds at most {SLOTS} signatures, one of each key")
    used = b"".join(_SLOT.pack(_ED25519, signature.key_id, signature.content) for signature in ordered)
    return used.ljust(SLOTS_SIZE, b"\0")


def decode_slots(slots: bytes) -> tuple[Signature, ...]:
    """Read 29 slots; ValueError unless they are exactly what `encode_slots` writes, so that no byte says nothing."""
    signatures = []
    for algorithm, key_id, content in _SLOT.iter_unpack(slots):
        if algorithm == 0:
            break
        if algorithm != _ED25519:
            raise ValueError(f"signature algorithm {algorithm} is unknown")
        signatures.append(Signature(key_id, content))
    if encode_slots(signatures) != slots:
        raise ValueError("signature slots are not in their one order, or bytes beside them are not zero")
    return tuple(signatures)
