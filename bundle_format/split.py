"""Cutting a bundle into parts; joining them is `Bundle.write_copy`, or `cat` where there is no floto."""

from pathlib import Path

from bundle_format.durable import whole_file
from bundle_format.layout.parts import part_name, part_sizes
from bundle_format.progress import Progress

FAT32 = 3840 << 20
"""Bytes of a part that every file system takes, FAT32 with its limit of 4 GiB among them."""

_PIECE = 4 << 20


def split(path: Path, folder: Path, most: int, progress: Progress) -> tuple[Path, ...]:
    """Cut the file at `path` into parts of at most `most` bytes in `folder`, each whole or not there."""
    sizes = part_sizes(path.stat().st_size, most)
    parts = tuple(folder / part_name(path.name, number) for number in range(1, len(sizes) + 1))
    with path.open("rb") as source, progress.task("splitting the bundle", sum(sizes)) as task:
        for part, size in zip(parts, sizes, strict=True):
            with whole_file(part) as target:
                for start in range(0, size, _PIECE):
                    target.write(source.read(min(_PIECE, size - start)))
                    task.advance(min(_PIECE, size - start))
    return parts
