"""Cutting a bundle into parts and joining them, also out of damaged copies; without floto, `cat` joins whole parts."""

import math
import shutil
from pathlib import Path

from bundle_format.durable import check_place, whole_file
from bundle_format.errors import FlotoError, PreflightError
from bundle_format.layout.parts import part_name, part_sizes, parts_beside
from bundle_format.progress import Progress
from bundle_format.reader import Bundle
from bundle_format.shown.sizes import size_text

FAT32 = 3840 << 20
"""Bytes of a part that every file system takes, FAT32 with its limit of 4 GiB among them."""

MOST_PARTS = 999
"""As many as have three digits, and so their order in the order of their names, in which `cat` joins them."""

_PIECE = 4 << 20


def split(path: Path, folder: Path, most: int, progress: Progress) -> tuple[Path, ...]:
    """Cut the file at `path` into parts of at most `most` bytes in `folder`, each whole or not there.

    PreflightError where there is no room for them; FlotoError where they would be too many, where `folder` is none, and
    where parts of an earlier split would lie among them.
    """
    total = path.stat().st_size
    if (count := math.ceil(total / most)) > MOST_PARTS:
        raise FlotoError(
            f"{path} would be {count:,} parts of {size_text(most)}; {MOST_PARTS} are the most", "Name a larger size."
        )
    sizes = part_sizes(total, most)
    parts = tuple(folder / part_name(path.name, number) for number in range(1, len(sizes) + 1))
    for part in parts:
        check_place(part)
    _require_room(folder, total)
    if stale := sorted({*parts_beside(parts[0])} - {*parts}):
        raise FlotoError(
            f"{folder} has parts of an earlier split: {', '.join(part.name for part in stale)}",
            "Remove them, or choose another folder.",
        )
    with path.open("rb") as source, progress.task("splitting the bundle", total) as task:
        for part, size in zip(parts, sizes, strict=True):
            with whole_file(part) as target:
                for start in range(0, size, _PIECE):
                    target.write(source.read(min(_PIECE, size - start)))
                    task.advance(min(_PIECE, size - start))
    return parts


def join(bundle: Bundle, path: Path, progress: Progress) -> None:
    """Write the bundle as it was signed to `path`, whole or not at all, whatever parts and copies it is read from.

    DamageError where no copy has a frame; FlotoError where something is at `path`, PreflightError without room for it.
    """
    if path.exists():
        raise FlotoError(f"{path} exists already, and is left as it is", "Choose another name.")
    check_place(path)
    _require_room(path.parent, bundle.page.total)
    with whole_file(path) as stream:
        bundle.write_copy(stream, progress)


def _require_room(folder: Path, needed: int) -> None:
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        raise FlotoError(f"{folder} cannot be written: {error.strerror}") from error
    # Some file systems do not tell their size; what they lack shows while writing.
    if usage.total and usage.free < needed:
        raise PreflightError(
            f"{folder} has room for {size_text(usage.free)}; {size_text(needed)} are needed", "Free space there."
        )
