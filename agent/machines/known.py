"""The data disks that a site has seen, kept in its state folder: what is known may be missing, and is never made up."""

import threading
from collections.abc import Callable

from pydantic import TypeAdapter

from agent.folder import Folder
from agent.machines.state import KnownDisk
from bundle_format.canonical import canonical
from bundle_format.errors import LockedError
from bundle_format.trust.private import read_private, replace_private

_DISKS = TypeAdapter(dict[str, KnownDisk])
_LOCK = threading.Lock()


def known_disks(folder: Folder) -> dict[str, KnownDisk]:
    """The disks by name; LockedError when the record cannot be read."""
    try:
        return _DISKS.validate_json(read_private(folder.disks))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise LockedError(
            f"the record of data disks {folder.disks} is damaged",
            "No disk was touched. Put the file back from a backup: without it an empty disk could be taken for yours.",
        ) from error


def remember_disk(folder: Folder, disk: KnownDisk) -> None:
    """Keep where a disk lies and how large it is."""
    _change(folder, lambda disks: {**disks, disk.name: disk})


def forget_disk(folder: Folder, name: str) -> None:
    """Let a disk be unknown again: it was purged."""
    _change(folder, lambda disks: {known: disk for known, disk in disks.items() if known != name})


def _change(folder: Folder, change: Callable[[dict[str, KnownDisk]], dict[str, KnownDisk]]) -> None:
    with _LOCK:  # hosts are worked on side by side
        before = known_disks(folder)
        after = change(before)
        if after != before:
            text = {name: disk.model_dump(mode="json") for name, disk in after.items()}
            replace_private(folder.disks, canonical(text))
