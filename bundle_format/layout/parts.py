"""A bundle in parts: pure slices named `.001`, `.002` and so on, read in place wherever they lie (SPEC.md, parts)."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import accumulate, chain
from pathlib import Path

from bundle_format.errors import FlotoError, MissingError
from bundle_format.layout.medium import FileMedium, Medium, Place

SUFFIX = ".floto"

_PART = re.compile(r"(?P<name>.+)\.(?P<number>[0-9]{3,5})")


def part_name(name: str, number: int) -> str:
    """What the part of a bundle is called; numbers count from 1."""
    return f"{name}.{number:03}"


def part_sizes(total: int, most: int) -> tuple[int, ...]:
    """The sizes of the parts of a bundle of `total` bytes, none larger than `most`: all but the last are equal."""
    full, rest = divmod(total, most)
    return (most,) * full + ((rest,) if rest else ())


def parts_beside(part: Path) -> list[Path]:
    """The parts of the same bundle in the folder of `part`, itself among them if it is there; sorted by name."""
    return [path for path in sorted(part.parent.iterdir()) if _is_part_of(path, _split_name(part)[0])]


@dataclass(frozen=True)
class Found:
    """The files of one bundle among the places given: the whole file wherever it is, and its parts by number."""

    name: str
    whole: tuple[Path, ...]
    parts: Mapping[int, tuple[Path, ...]]

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them, the whole ones first."""
        return (*self.whole, *chain.from_iterable(self.parts.values()))

    def missing(self) -> tuple[str, ...]:
        """The parts below the highest number that are nowhere; a whole file lacks none."""
        if self.whole or not self.parts:
            return ()
        return tuple(part_name(self.name, number) for number in range(1, max(self.parts)) if number not in self.parts)

    def open(self) -> Iterator[Medium]:
        """Each copy: whole files first, then the parts, again with those that are there more than once."""
        yield from map(FileMedium, self.whole)
        for turn in range(max(map(len, self.parts.values()), default=0)):
            yield PartsMedium(
                self.name, {number: paths[min(turn, len(paths) - 1)] for number, paths in self.parts.items()}
            )


def find(places: Sequence[Path]) -> Found:
    """Find the one bundle that `places` name: files, parts of it in any order, or folders that hold it or its parts.

    A part that is named leads to its folder, where the others may lie. MissingError when there is no bundle
    or a place does not exist, FlotoError when there are several.
    """
    named = {_split_name(place)[0] for place in places if not place.is_dir()}
    whole = dict[str, list[Path]]()
    parts = dict[str, dict[int, list[Path]]]()
    for path in _candidates(places):
        name, number = _split_name(path)
        if named and name not in named:
            continue
        if number:
            parts.setdefault(name, {}).setdefault(number, []).append(path)
        else:
            whole.setdefault(name, []).append(path)
    names = sorted({*whole, *parts})
    if len(names) > 1:
        raise FlotoError(f"there are several bundles: {', '.join(names)}", hint="name the one that is meant")
    if not names:
        raise MissingError(f"no bundle is in {', '.join(map(str, places))}")
    (name,) = names
    return Found(
        name, tuple(whole.get(name, ())), {number: tuple(paths) for number, paths in parts.get(name, {}).items()}
    )


def _split_name(path: Path) -> tuple[str, int]:
    """A bundle's name and the number of a part; 0 for the whole."""
    match = _PART.fullmatch(path.name)
    return (match["name"], int(match["number"])) if match else (path.name, 0)


def _may_be_ours(path: Path) -> bool:
    # Some systems put a hidden companion beside every file of a stick, with the same suffix.
    return _split_name(path)[0].endswith(SUFFIX) and not path.name.startswith(".")


def _is_part_of(path: Path, wanted: str) -> bool:
    name, number = _split_name(path)
    return name == wanted and number > 0


def _candidates(places: Iterable[Path]) -> Iterator[Path]:
    """The files that `places` name or hold, each once, in the order of the places."""
    seen = set[Path]()
    for place in places:
        if place.is_dir():
            inside = sorted(path for path in place.iterdir() if _may_be_ours(path))
        elif not place.exists():
            raise MissingError(f"{place} does not exist")
        elif _split_name(place)[1]:
            inside = parts_beside(place)
        else:
            inside = [place]
        for path in inside:
            if path not in seen:
                seen.add(path)
                yield path


class PartsMedium:
    """Parts read as one file. A part that is missing is a hole, if the size of the others tells how large."""

    position = 0

    def __init__(self, name: str, parts: Mapping[int, Path]) -> None:
        """Open every part; MissingError where holes cannot be measured."""
        self._name = name
        self._paths = parts
        with ExitStack() as opened:
            self._media = {
                number: opened.enter_context(closing(FileMedium(path))) for number, path in sorted(parts.items())
            }
            sizes = [self._size_of(number) for number in range(1, max(parts) + 1)]
            self._starts = [0, *accumulate(sizes)]
            self._resources = opened.pop_all()

    def _size_of(self, number: int) -> int:
        if number in self._media:
            return self._media[number].size
        full = {medium.size for other, medium in self._media.items() if other != max(self._media)}
        if len(full) != 1:
            raise MissingError("parts are missing, and the others do not tell how large they are")
        return full.pop()

    @property
    def size(self) -> int:
        """Bytes from the first part to the end of the last that is here."""
        return self._starts[-1]

    def lacking(self, total: int) -> tuple[str, ...]:
        """The parts after the last one here that a bundle of `total` bytes has, if that one is not just cut short."""
        if self._starts[-1] - self._starts[-2] < self._starts[1]:
            return ()
        return tuple(dict.fromkeys(place.name for place in self.places(self.size, total - self.size)))

    def read_at(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`, fewer where a part is missing or too short; DamageError where one refuses."""
        pieces = []
        for number, start, size in self._slices(offset, length):
            piece = self._media[number].read_at(start, size) if number in self._media else b""
            pieces.append(piece)
            if len(piece) < size:
                break
        return b"".join(pieces)

    def places(self, offset: int, length: int) -> tuple[Place, ...]:
        """The parts that hold these bytes, or would if they were here, and where in them they lie."""
        here = [self._place(number, start, size) for number, start, size in self._slices(offset, length)]
        offset, end = max(offset, self.size), offset + length
        while offset < end:
            number, start = divmod(offset - self._starts[-2], self._starts[1])
            size = min(end - offset, self._starts[1] - start)
            here.append(self._place(len(self._starts) - 1 + number, start, size))
            offset += size
        return tuple(here)

    def _place(self, number: int, start: int, size: int) -> Place:
        if path := self._paths.get(number):
            return Place(str(path), start, size)
        return Place(part_name(self._name, number), start, size, missing=True)

    def _slices(self, offset: int, length: int) -> Iterator[tuple[int, int, int]]:
        """Part number, offset in it and size of each piece of a span; what is beyond the end is left out."""
        number = bisect_right(self._starts, offset)
        while length > 0 and number < len(self._starts):
            start = offset - self._starts[number - 1]
            size = min(length, self._starts[number] - offset)
            yield number, start, size
            offset, length, number = offset + size, length - size, number + 1

    def close(self) -> None:
        """Give all parts back."""
        self._resources.close()
