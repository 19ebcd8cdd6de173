"""A repair: a bundle with most of its frames left out, carried to a copy in which just those are damaged.

It begins with the bundle's own signed pages, index and table; a list of frame numbers and those frames follow (SPEC.md,
repair). So it needs no signature of its own, and every byte in it is verified like the bundle's.
"""

import struct
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from bundle_format.errors import DamageError
from bundle_format.layout.medium import Medium, Place
from bundle_format.layout.payload import Head, payload_extents
from bundle_format.layout.preamble import MAX_TABLE, SECTION_HEAD, section, section_content

SUFFIX = ".floto-repair"

_MARK = b"FLOTOFIX"
_NUMBER = struct.Struct("<I")


def list_of(numbers: Iterable[int]) -> bytes:
    """The section that says which frames follow it, in ascending order."""
    return section(_MARK + b"".join(map(_NUMBER.pack, sorted(set(numbers)))))


def repair_of(medium: Medium, head: Head) -> "RepairMedium | None":
    """`medium` as a repair of the bundle with this head; None when it is none. DamageError when it is not whole."""
    offset = head.page.payload_offset
    beginning = medium.read_at(offset, SECTION_HEAD + len(_MARK))
    if beginning[SECTION_HEAD:] != _MARK:
        return None
    size = int.from_bytes(beginning[4:SECTION_HEAD], "little")
    try:
        content = section_content(medium.read_at(offset, SECTION_HEAD + min(size, MAX_TABLE)))
        numbers = [number for (number,) in _NUMBER.iter_unpack(content[len(_MARK) :])]
    except (ValueError, struct.error) as error:
        raise DamageError("the repair's list of frames is damaged") from error
    if numbers != sorted(set(numbers)) or (numbers and numbers[-1] >= len(head.frames)):
        raise DamageError("the repair's list of frames is not one of this bundle's")
    return RepairMedium(medium, head, numbers, offset + SECTION_HEAD + size)


class RepairMedium:
    """The frames that a repair has, at the offsets where the bundle has them; everything else is a hole."""

    position = 0

    def __init__(self, medium: Medium, head: Head, numbers: Sequence[int], start: int) -> None:
        """`start`: where in the repair the first frame lies."""
        self._medium = medium
        self.size = head.page.total
        extents = payload_extents(head.index, head.frames, head.page.payload_offset)
        wanted = set(numbers)
        self._theirs = [extent.offset for extent in extents if extent.number in wanted]
        sizes = (head.frames[number].stored for number in numbers)
        self._ours = list(accumulate(sizes, initial=start))

    def read_at(self, offset: int, length: int) -> bytes:
        """A frame of the repair, asked for where the bundle has it; nothing for other bytes."""
        position = bisect_left(self._theirs, offset)
        if position == len(self._theirs) or self._theirs[position] != offset:
            return b""
        return self._medium.read_at(self._ours[position], length)

    def places(self, offset: int, length: int) -> tuple[Place, ...]:
        """Where in the repair a frame lies."""
        position = bisect_left(self._theirs, offset)
        return self._medium.places(self._ours[position], length)

    def close(self) -> None:
        """Give the file back."""
        self._medium.close()
