"""Bundles beyond 4 GiB, in sparse files: no number overflows, and memory stays small."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle_format.blob import Blob
from bundle_format.layout.frames import FRAME, pack, plain_frame
from bundle_format.progress import Silence
from bundle_format.reader import open_bundle
from bundle_format.release.model import File, Release, Variant
from bundle_format.split import split
from bundle_format.trust.trust import trust_in
from tests.bundles import root_document
from tests.sparse import large_blob, write_large

GIB = 1 << 30
TRUST = trust_in(root_document("acme"))
MARKED = {0, 511, 512, 1023, 1024}
"""The frames on both sides of 2^31 and 2^32 begin with their number; all others are zeros."""


def raw_frame(number: int) -> bytes:
    return (number if number in MARKED else 0).to_bytes(8, "big") + bytes(FRAME - 8)


def large_bundle(path: Path, count: int, form: Callable[[bytes], bytes]) -> Blob:
    """A bundle with one blob of `count` frames, stored in `form`."""
    carried = large_blob(count, raw_frame, form, "machine-image")
    release = Release(
        product="shop",
        version="1",
        evaluator="test",
        sources={},
        files={"disk.img": File(digest=carried.blob.digest, size=carried.blob.size)},
        variants=(Variant(when={}, objects={}),),
    )
    write_large(path, release, [carried])
    return carried.blob


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Blob]:
    """Stored and raw 4.2 GiB, of which a few megabytes are on the disk."""
    path = tmp_path_factory.mktemp("large") / "large.floto"
    return path, large_bundle(path, 1075, plain_frame)


def test_ranges_around_two_and_four_gib_are_right(large: tuple[Path, Blob]) -> None:
    path, blob = large
    assert path.stat().st_size > 4.1 * GIB
    with open_bundle(path, TRUST) as bundle:
        opened = bundle.blob(blob.digest)
        for number in sorted(MARKED):
            at = number * FRAME
            assert opened.read_at(at, 9) == number.to_bytes(8, "big") + b"\0"
            if at:
                assert opened.read_at(at - 5, 13) == bytes(5) + number.to_bytes(8, "big")
        assert opened.read_at(blob.size - 1, 1) == b"\0"


def test_flipped_bytes_around_two_and_four_gib_are_located(large: tuple[Path, Blob]) -> None:
    path, _ = large
    offsets = (2**31 - 1, 2**31 + FRAME, 2**32 - 1, 2**32 + FRAME)
    with path.open("r+b") as file:
        before = [(file.seek(offset), file.read(1)) for offset in offsets]
        for offset, byte in before:
            file.seek(offset)
            file.write(bytes([byte[0] ^ 1]))
    try:
        with open_bundle(path, TRUST) as bundle:
            found = bundle.verify(Silence())
        for offset, damage in zip(offsets, found, strict=True):
            assert damage.offset <= offset < damage.offset + damage.size
            (place,) = damage.places
            assert place.offset <= offset < place.offset + place.size
    finally:
        with path.open("r+b") as file:
            for offset, byte in before:
                file.seek(offset)
                file.write(byte)


MEASURED = """
import sys
from pathlib import Path
from bundle_format.blob import Blob
from bundle_format.progress import Silence
from bundle_format.reader import open_bundle
from bundle_format.store import Store
from bundle_format.trust.trust import trust_in
from tests.bundles import root_document
from tests.memory import peak_memory
with open_bundle(Path(sys.argv[1]), trust_in(root_document("acme")), threads=int(sys.argv[2])) as bundle:
    if sys.argv[3] == "verify":
        assert bundle.verify(Silence()) == []
    else:
        (entry,) = (entry for entry in bundle.index.blobs if entry.type == "file" or entry.size > 1 << 30)
        store = Store(Path(sys.argv[3]), threads=int(sys.argv[2]))
        store.add_frames(Blob(entry.digest, entry.size), bundle.frames(entry.digest), bundle.index.codec)
print(peak_memory())
"""


def most_memory(*arguments: object) -> int:
    """The peak of resident memory, in MiB, of a process that does one thing."""
    command = [sys.executable, "-c", MEASURED, *map(str, arguments)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) // (1 << 20)


@pytest.mark.parametrize("threads", [2, 16])
def test_verifying_four_gib_takes_less_than_300_mib(large: tuple[Path, Blob], threads: int) -> None:
    path, _ = large
    assert most_memory(path, threads, "verify") < 300


def test_staging_four_gib_takes_less_than_300_mib(tmp_path: Path) -> None:
    path = tmp_path / "zeros.floto"
    blob = large_bundle(path, 1075, lambda raw: pack(raw).content)
    assert path.stat().st_size < 1 << 20
    assert blob.size > 4 * GIB
    assert most_memory(path, 16, tmp_path / "site") < 300


@pytest.mark.slow
def test_tar_reads_members_beyond_eight_gib(tmp_path: Path) -> None:
    path = tmp_path / "disk.floto"
    blob = large_bundle(path, 2050, lambda raw: pack(raw).content)
    listed = subprocess.run(["tar", "--zstd", "-tvf", path], check=True, capture_output=True, text=True)
    assert f" {blob.size} " in listed.stdout


@pytest.mark.slow
def test_parts_of_fat32_size(large: tuple[Path, Blob], tmp_path: Path) -> None:
    path, blob = large
    parts = split(path, tmp_path, 3840 << 20, Silence())
    assert [part.stat().st_size for part in parts] == [3840 << 20, path.stat().st_size - (3840 << 20)]
    with open_bundle(parts[1], TRUST) as bundle:
        assert bundle.blob(blob.digest).read_at(1024 * FRAME, 8) == (1024).to_bytes(8, "big")
        assert bundle.verify(Silence()) == []
