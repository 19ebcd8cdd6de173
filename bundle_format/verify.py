"""Looking at every byte of a bundle: what is damaged, and where that is."""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

from bundle_format.digest import Digest
from bundle_format.errors import DamageError
from bundle_format.layout.frames import FRAME
from bundle_format.layout.medium import Medium, Place
from bundle_format.layout.payload import Extent, Head, file_extents
from bundle_format.parallel import Workers
from bundle_format.progress import Progress

Run = list[Extent]
"""Extents that lie one after the other and are read at once."""


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


def find_damage(
    copies: Sequence[Medium], head: Head, pool: Workers, progress: Progress, beside: Container[Digest] = ()
) -> Iterator[Damage]:
    """Read the first copy once and compare every byte; what is wrong is looked for in the other copies.

    Left out is the content of the blobs `beside` which somebody asks, for they were read and verified elsewhere. Of a
    pipe, what went by before is left out: it was verified when it was read.
    """
    first, *others = copies

    def read(run: Run) -> tuple[Run, list[bytes]]:
        return run, _read_run(first, run)

    def damage_in(run_and_contents: tuple[Run, list[bytes]]) -> tuple[int, list[Damage]]:
        run, contents = run_and_contents
        bad = [extent for extent, content in zip(run, contents, strict=True) if not _holds(head, extent, content)]
        return _size_of(run), [
            _damage(first, extent, healed=any(_has(head, extent, other) for other in others)) for extent in bad
        ]

    def asked(extent: Extent) -> bool:
        elsewhere = extent.number >= 0 and extent.entry is not None and extent.entry.digest in beside
        return extent.offset >= first.position and not elsewhere

    ahead = sum(extent.size for extent in filter(asked, file_extents(head)))
    with progress.task("verifying", ahead) as task:
        for size, found in pool.in_order(damage_in, map(read, _runs(filter(asked, file_extents(head))))):
            task.advance(size)
            yield from found
    if _read(first, Extent(head.page.total, 1, "")):
        size = (first.size or head.page.total + 1) - head.page.total
        yield Damage("surplus bytes after the end", head.page.total, size, first.places(head.page.total, size))


def _runs(extents: Iterable[Extent]) -> Iterator[Run]:
    """Neighbours together up to the size of a frame, so that small blobs cost no more than large ones."""
    run: Run = []
    size = 0
    for extent in extents:
        if run and (size + extent.size > FRAME or run[-1].offset + run[-1].size != extent.offset):
            yield run
            run, size = [], 0
        run.append(extent)
        size += extent.size
    if run:
        yield run


def _size_of(run: Run) -> int:
    return sum(extent.size for extent in run)


def _read_run(medium: Medium, run: Run) -> list[bytes]:
    size = _size_of(run)
    content = _read(medium, Extent(run[0].offset, size, ""))
    if len(content) < size and medium.position == 0:
        return [_read(medium, extent) for extent in run]  # something refuses or is missing: what lies beside may not be
    start = run[0].offset
    return [content[extent.offset - start :][: extent.size] for extent in run]


def _read(medium: Medium, extent: Extent) -> bytes:
    try:
        return medium.read_at(extent.offset, extent.size)
    except DamageError:
        return b""


def _holds(head: Head, extent: Extent, content: bytes) -> bool:
    if extent.number < 0:
        return content == extent.content
    return head.frames[extent.number].holds(content)


def _has(head: Head, extent: Extent, other: Medium) -> bool:
    # All but the frames follows from the index, and what was opened with several copies has that for sure.
    return extent.number < 0 or _holds(head, extent, _read(other, extent))


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
