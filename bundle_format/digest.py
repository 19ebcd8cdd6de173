"""Names for bytes: SHA-256 digests and readers that hash what passes through them."""

import hashlib
import re
from collections.abc import Iterator
from typing import IO, BinaryIO, NewType

Digest = NewType("Digest", str)
"""`sha256:` and 64 lower-case hex digits, as in the OCI image specification (descriptor, digests)."""

CHUNK = 1 << 20

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def parse_digest(text: str) -> Digest:
    """Return `text` as a Digest; ValueError when it is none."""
    if not _DIGEST.fullmatch(text):
        raise ValueError(f"not a sha256 digest: {text[:80]!r}")
    return Digest(text)


def digest_of(content: bytes) -> Digest:
    """The digest of bytes that are at hand."""
    return Digest("sha256:" + hashlib.sha256(content).hexdigest())


def hex_of(digest: Digest) -> str:
    """The 64 hex digits alone, as file and tar member names use them."""
    return digest.removeprefix("sha256:")


def chunks(stream: IO[bytes], size: int = CHUNK) -> Iterator[bytes]:
    """The rest of `stream` in pieces of at most `size` bytes."""
    while piece := stream.read(size):
        yield piece


class HashingReader:
    """A readable stream that counts and hashes the bytes read through it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        """Read as the inner stream does; the bytes count towards `digest` and `size`."""
        piece = self._stream.read(size)
        self._hash.update(piece)
        self.size += len(piece)
        return piece

    @property
    def digest(self) -> Digest:
        """The digest of everything read so far."""
        return Digest("sha256:" + self._hash.hexdigest())
