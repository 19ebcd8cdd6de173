"""The state folder: all that an agent remembers of its site, private, and held by one agent at a time."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bundle_format.errors import LockedError
from bundle_format.lock import try_lock
from bundle_format.trust.private import make_private_folder, read_private, replace_private

KEY_SIZE = 32


@dataclass(frozen=True, slots=True)
class Folder:
    """The state folder of one site; its members are plain files that only their owner can reach (THREATS 37)."""

    root: Path

    @property
    def store(self) -> Path:
        """Where the blobs of the current and the previous release lie."""
        return self.root / "store"

    @property
    def journal(self) -> Path:
        """What is being attempted."""
        return self.root / "journal"

    @property
    def interlude(self) -> Path:
        """What stands still for a while."""
        return self.root / "interlude.json"

    @property
    def receipts(self) -> Path:
        """What was done, one file an attempt."""
        return self.root / "receipts"

    @property
    def disks(self) -> Path:
        """Which data disks were ever seen, and where."""
        return self.root / "disks.json"

    @property
    def machines(self) -> Path:
        """What the site has made for its machines: certificates and keys."""
        return self.root / "machines"

    @property
    def hypervisors(self) -> Path:
        """The certificates of hypervisors that a person has compared."""
        return self.root / "hypervisors"

    @property
    def tasks(self) -> Path:
        """What one-off tasks printed."""
        return self.root / "tasks"

    def key(self, random: Callable[[int], bytes] = os.urandom) -> bytes:
        """The site's own key for the fingerprints of secrets, made of 32 `random` bytes when first asked for."""
        path = self.root / "site.key"
        try:
            return read_private(path)
        except FileNotFoundError:
            replace_private(path, random(KEY_SIZE))
            return read_private(path)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the site alone until the block or the process ends; LockedError when another agent does (THREATS 27)."""
        path = self.root / "lock"
        with path.open("a+b") as file:
            if not (try_lock(file) or _try_again(file)):
                raise LockedError(
                    f"another agent works on this site: {_holder(path)}",
                    "Wait until it has ended; `floto-agent status` may be asked meanwhile.",
                )
            file.truncate(0)
            file.write(f"process {os.getpid()}\n".encode())
            file.flush()
            yield

    def holder(self) -> str:
        """Which process holds the site now, for a person; empty when none does."""
        path = self.root / "lock"
        try:
            with path.open("rb") as file:  # a state folder that cannot be written may be looked at all the same
                return "" if try_lock(file) else _holder(path)
        except FileNotFoundError:
            return ""


def open_folder(root: Path) -> Folder:
    """Open a state folder, made if it is missing; UnsafeFileError when others could have changed what is in it."""
    root = root.absolute()
    for folder in (root, root / "receipts", root / "tasks"):
        make_private_folder(folder)
    return Folder(root)


def _try_again(file: IO[bytes]) -> bool:
    """Once more, for it may have been no agent that had it but the look of `holder`."""
    time.sleep(0.1)
    return try_lock(file)


def _holder(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip() or "process unknown"
