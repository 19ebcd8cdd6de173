"""Looking at every byte of a bundle: what is damaged, and where that is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bundle_format.digest import Digest
from bundle_format.errors import DamageError
from bundle_format.layout.medium import Medium, Place
from bundle_format.layout.payload import Extent, Head, file_extents
from bundle_format.parallel import Workers
from bundle_format.progress import Progress


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are not those that were signed: `size` of them from `offset` of the bundle.

    `places` are their files; `blob` and `frame` say what they belong to, if to any; `healed`: another copy has them.
    """

    what: str
    offset: int
    size: int
    places: tuple[Place, ...]
    blob: Digest | None = None
    frame: int | None = None
    healed: bool = False

    def __str__(self) -> str:
        whose = f" of blob {self.blob}" if self.blob else ""
        where = ", ".join(map(str, self.places))
        return f"{self.what}{whose}: {where}{' (another copy has it)' if self.healed else ''}"


def find_damage(copies: Sequence[Medium], head: Head, pool: Workers, progress: Progress) -> Iterator[Damage]:
    """Read the first copy once and compare every byte; what is wrong is looked for in the other copies.

    Of a pipe, what went by before is left out: it was verified when it was read.
    """
    first, *others = copies
    extents = [extent for extent in file_extents(head) if extent.offset >= first.position]

    def read(extent: Extent) -> tuple[Extent, bytes]:
        return extent, _read(first, extent)

    def judged(extent_and_content: tuple[Extent, bytes]) -> Damage | None:
        extent, content = extent_and_content
        if _holds(head, extent, content):
            return None
        healed = any(_holds(head, extent, _read(other, extent)) for other in others)
        return _damage(first, extent, healed=healed)

    with progress.task("verifying", head.page.total) as task:
        for extent, damage in zip(extents, pool.in_order(judged, map(read, extents)), strict=True):
            task.advance(extent.size)
            if damage is not None:
                yield damage
    surplus = _read(first, Extent(head.page.total, 1, ""))
    if surplus:
        size = (first.size or head.page.total + 1) - head.page.total
        yield Damage("surplus bytes after the end", head.page.total, size, first.places(head.page.total, size))


def _read(medium: Medium, extent: Extent) -> bytes:
    try:
        return medium.read_at(extent.offset, extent.size)
    except DamageError:
        return b""


def _holds(head: Head, extent: Extent, content: bytes) -> bool:
    if extent.number < 0:
        return content == extent.content
    return head.frames[extent.number].holds(content)


def _damage(medium: Medium, extent: Extent, *, healed: bool) -> Damage:
    return Damage(
        extent.what,
        extent.offset,
        extent.size,
        medium.places(extent.offset, extent.size),
        extent.entry.digest if extent.entry else None,
        extent.number if extent.number >= 0 else None,
        healed,
    )
