"""Disks in the form in which they are uploaded: each packed once, however many machines are made of it."""

import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from agent.targets.engine import Blobs
from agent.targets.vmdk import stream_optimized
from bundle_format.digest import Digest
from bundle_format.parallel import Workers
from bundle_format.progress import Progress
from bundle_format.release.model import MachineImage


class Packed:
    """A packed disk of `size` bytes that several read at once, each from its beginning."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.size = size
        self._file = file
        self._lock = threading.Lock()

    def reader(self) -> "Reader":
        """A reader of its own."""
        return Reader(self)

    def read_at(self, place: int, amount: int) -> bytes:
        """Up to so many bytes from a place on."""
        with self._lock:
            self._file.seek(place)
            return self._file.read(amount)


class Reader:
    """Reads a packed disk from its beginning to its end."""

    def __init__(self, packed: Packed) -> None:
        self._packed = packed
        self._place = 0

    def read(self, amount: int, /) -> bytes:
        """Up to so many bytes; none at the end."""
        piece = self._packed.read_at(self._place, amount)
        self._place += len(piece)
        return piece


class Packing:
    """The packed disks of one hypervisor; nameless files in a folder, gone when it is closed or the agent ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._turns: dict[Digest, threading.Lock] = {}
        self._packed: dict[Digest, Packed] = {}
        self._files = ExitStack()

    def packed(self, image: MachineImage, blobs: Blobs, progress: Progress) -> Packed:
        """The disk of an image, packed by who asks first; the others wait. Errors as for `Blobs.open`."""
        with self._lock:
            turn = self._turns.setdefault(image.disk, threading.Lock())
        with turn:
            if image.disk not in self._packed:
                self._packed[image.disk] = self._pack(image, blobs, progress)
            return self._packed[image.disk]

    def close(self) -> None:
        """Let go of all of them; harmless when repeated."""
        self._packed.clear()
        self._files.close()

    def _pack(self, image: MachineImage, blobs: Blobs, progress: Progress) -> Packed:
        with ExitStack() as until_whole:
            file = until_whole.enter_context(tempfile.TemporaryFile(dir=self._folder))
            with Workers() as pool, blobs.open(image.disk) as raw, progress.task("pack a machine's disk") as task:
                for piece in stream_optimized(raw, image.size, pool):
                    file.write(piece)
                    task.advance(len(piece))
            self._files.push(until_whole.pop_all())
        return Packed(file, file.tell())
