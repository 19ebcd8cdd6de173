"""Bundles of gigabytes that take no room: what is zero in them is left out of their file."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from bundle_format.blob import Blob
from bundle_format.digest import Digest
from bundle_format.layout.frames import FRAME, Frame, PackedFrame
from bundle_format.progress import Silence
from bundle_format.release.model import Release
from bundle_format.writer import Carried, Heading, draft_bundle
from tests.bundles import ISSUED, key


def large_blob(count: int, raw: Callable[[int], bytes], form: Callable[[bytes], bytes], kind: str) -> Carried:
    """A blob of `count` frames, stored in `form`; frames are alike whose first eight bytes are."""
    made = dict[bytes, PackedFrame]()
    hasher = hashlib.sha256()

    def stored(number: int) -> PackedFrame:
        content = raw(number)
        if content[:8] not in made:
            packed = form(content)
            made[content[:8]] = PackedFrame(Frame(len(packed), FRAME, hashlib.sha256(packed).digest()), packed)
        return made[content[:8]]

    def packed() -> Iterator[PackedFrame]:
        return map(stored, range(count))

    for number in range(count):
        hasher.update(raw(number))
    blob = Blob(Digest("sha256:" + hasher.hexdigest()), count * FRAME)
    return Carried(blob, kind, [one.frame for one in packed()], packed)


def write_large(path: Path, release: Release, carried: Sequence[Carried]) -> None:
    """Write the signed bundle of a release with its holes."""
    draft = draft_bundle(release, carried, Heading(channel="stable", sequence=1, issued=ISSUED), [])
    with path.open("wb") as file:
        draft.signed([key("acme").sign(draft.page.message)]).write(cast(BinaryIO, _Sparse(file)), Silence())
        file.truncate(draft.page.total)


class _Sparse:
    """A file that leaves out what is zero."""

    PIECE = bytes(1 << 16)

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, content: bytes) -> None:
        for start in range(0, len(content), len(self.PIECE)):
            piece = content[start : start + len(self.PIECE)]
            if piece == self.PIECE[: len(piece)]:
                self._file.seek(len(piece), 1)
            else:
                self._file.write(piece)
