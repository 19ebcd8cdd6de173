"""Machine images as raw content against VMDK and qcow2: how large in a bundle, as a difference, and made ready on site.

Two disks of one Debian, the second with its security updates, each written file by file to a file system made anew, as
an installation does it: the same file lies in other blocks.
"""

import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from delta import ROOT, Row, base_of, judge, measured

from agent.targets.vmdk import stream_optimized
from builder.disk_segments import disk_segments
from bundle_format.delta import decode_segment, encode
from bundle_format.digest import Digest, hex_of
from bundle_format.parallel import Workers
from bundle_format.pieces import stream_of
from bundle_format.store import Store

MOST_MEMORY = 512 << 20
START = 1 << 20
SIZE = 2 << 30
LENGTHS = struct.Struct("<II")


def make_disk(version: int, place: Path) -> Path:
    """A disk with one partition and one release of Debian on it."""
    with place.open("wb") as disk:
        disk.truncate(SIZE)
    table = f"label: dos\nstart={START // 512},type=83,bootable\n"
    subprocess.run(["sfdisk", "-q", place], input=table, text=True, check=True, stdout=2)
    subprocess.run(
        ["mke2fs", "-q", "-F", "-t", "ext4", "-E", f"offset={START}", place, f"{(SIZE - START) >> 10}k"], check=True
    )
    with tempfile.TemporaryDirectory(prefix="floto-mount-") as mount:
        subprocess.run(["mount", "-o", f"loop,offset={START}", place, mount], check=True)
        try:
            subprocess.run(["tar", "-xf", base_of(version), "-C", mount], check=True)
        finally:
            subprocess.run(["umount", mount], check=True)
    return place


class Bench:
    """Both disks in a store, and in the forms of others beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / "store")
        self.raws = [make_disk(version, folder / f"{version}.raw") for version in (1, 2)]
        self.disks = [self._added(raw) for raw in self.raws]

    def _added(self, raw: Path) -> Digest:
        with raw.open("rb") as stream:
            return self.store.add(stream).digest

    def ours(self, name: str, work: str, *arguments: str | Path) -> Row:
        """One of the works below, in a process of its own; its outcome is a file."""
        target = self.folder / "outcome"
        command = [sys.executable, __file__, work, self.folder / "store", target, *arguments]
        return measured(name, command, lambda: target.stat().st_size, self.folder)

    def theirs(self, name: str, command: str) -> Row:
        """A program that writes `outcome`."""
        return measured(name, command.split(), lambda: (self.folder / "outcome").stat().st_size, self.folder)

    def rows_of_bundles(self) -> Iterator[Row]:
        """What a disk takes in a bundle."""
        for kind, options in (("vmdk", "-o subformat=streamOptimized"), ("qcow2", "")):
            for version in (1, 2):
                command = f"qemu-img convert -f raw -O {kind} {options} {version}.raw {version}.{kind}"
                subprocess.run(command.split(), cwd=self.folder, check=True)
        yield self.ours("bundle: raw content in frames", "pack", self.raws[1])
        for kind in ("vmdk", "qcow2"):
            yield self.theirs(f"bundle: zstd -3 of the {kind}", f"zstd -q -f -3 2.{kind} -o outcome")

    def rows_of_deltas(self) -> Iterator[Row]:
        """What the second disk takes where the site has the first."""
        yield self.ours("delta: patch of the raw content", "patch", *self.disks)
        (self.folder / "outcome").rename(self.folder / "patch")
        yield self.ours("site: the disk rebuilt from the patch", "rebuild", self.disks[0], self.folder / "patch")
        for kind in ("raw", "qcow2", "vmdk"):
            command = f"zstd -q -f -3 --long=31 --patch-from=1.{kind} 2.{kind} -o outcome"
            yield self.theirs(f"delta: zstd --patch-from of the {kind}", command)

    def rows_of_sites(self) -> Iterator[Row]:
        """From what came on the stick to what a hypervisor takes."""
        yield self.ours("site: upload form of the raw content", "upload", self.disks[1])
        command = "qemu-img convert -f raw -O vmdk -o subformat=streamOptimized 2.raw outcome"
        yield self.theirs("site: qemu-img convert", command)


def pack(store: Store, target: Path, raw: str) -> None:
    """Gather a raw disk; the outcome is its file in a store."""
    other = Store(store.root.with_name("other"))
    with Path(raw).open("rb") as stream:
        digest = other.add(stream).digest
    (place,) = other.root.glob(f"blobs/??/{hex_of(digest)}")
    place.replace(target)


def patch(store: Store, target: Path, base: str, new: str) -> None:
    """Tell a disk as differences; each segment after its lengths."""
    with store.blob(Digest(base)) as old, store.blob(Digest(new)) as disk, Workers() as pool, target.open("wb") as file:
        for stored, raw in encode(disk, old, disk_segments(disk, old), pool):
            file.write(LENGTHS.pack(len(stored), raw) + stored)


def rebuild(store: Store, target: Path, base: str, patched: str) -> None:
    """Make a disk of its differences in a store, as staging does."""

    def segments(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
        while lengths := file.read(LENGTHS.size):
            stored, raw = LENGTHS.unpack(lengths)
            yield file.read(stored), raw

    other = Store(store.root.with_name("site"))
    with store.blob(Digest(base)) as old, Workers() as pool, Path(patched).open("rb") as file:
        pieces = pool.in_order(lambda one: decode_segment(one[0], old, one[1]), segments(file), ahead=3)
        digest = other.add(stream_of(pieces)).digest
    assert digest in store, "the patch makes another disk"
    (place,) = other.root.glob(f"blobs/??/{hex_of(digest)}")
    place.replace(target)


def upload(store: Store, target: Path, disk: str) -> None:
    """Write what a hypervisor takes."""
    with store.open(Digest(disk)) as stream, Workers() as pool, target.open("wb") as file:
        for piece in stream_optimized(stream, store.size(Digest(disk)), pool):
            file.write(piece)


WORKS = {"pack": pack, "patch": patch, "rebuild": rebuild, "upload": upload}


def main() -> None:
    """Print a row for each method as soon as it is known, then what was asked for."""
    os.environ["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryDirectory(prefix="floto-bench-", dir="/var/tmp") as folder:
        bench = Bench(Path(folder))
        rows = []
        for row in chain(bench.rows_of_bundles(), bench.rows_of_deltas(), bench.rows_of_sites()):
            print(row, flush=True)
            rows.append(row)
    raw, vmdk, qcow2, patched, rebuilt, *rivals, ours, theirs = rows
    judge("bytes: raw content / the best of the others", raw.size / min(vmdk.size, qcow2.size), 1.0)
    best = min(rivals, key=lambda row: row.size)
    judge(f"bytes: patch / {best.name}", patched.size / best.size, 1.5)
    judge("bytes: patch / whole disk", patched.size / raw.size, 0.2)
    judge("CPU: upload form / qemu-img", ours.busy / theirs.busy, 1.1)
    most = max(row.memory for row in (raw, patched, rebuilt, ours))
    judge("memory of ours / 512 MiB", most / MOST_MEMORY, 1.0)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        WORKS[sys.argv[1]](Store(Path(sys.argv[2])), Path(sys.argv[3]), *sys.argv[4:])
    else:
        main()
