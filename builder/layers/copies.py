"""Entries as files in a folder of their own, for programs that are to see nothing else."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.layers.layer import Entry


@contextmanager
def copied(entries: Iterable[Entry], epoch: int, within: Path | None = None) -> Iterator[Path]:
    """A folder with these entries, all changed at `epoch` (seconds), that lives as long as the context.

    It is made `within` another, or where the system keeps such.
    """
    if within:
        within.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=within, prefix="floto-sources-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        copies = {folder / entry.path: entry for entry in entries}
        for place, entry in copies.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            _copy(entry, place)
        for place, entry in copies.items():
            if entry.kind != "link":
                os.utime(place, (epoch, epoch))
        yield folder


def _copy(entry: Entry, place: Path) -> None:
    if entry.kind == "folder":
        place.mkdir(exist_ok=True)
    elif entry.kind == "link":
        place.symlink_to(entry.target)
    else:
        assert entry.open is not None
        with entry.open() as content, place.open("wb") as file:
            shutil.copyfileobj(content, file)
    if entry.kind != "link":
        place.chmod(entry.mode)
