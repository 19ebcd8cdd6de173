"""The store: a blob is whole under its digest or absent, whoever writes, reads, collects or dies meanwhile."""

import io
import os
import random
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundle_format.blob import Blob
from bundle_format.digest import digest_of
from bundle_format.errors import DamageError, MissingError, PreflightError
from bundle_format.layout.frames import CODEC, FRAME
from bundle_format.store import Store


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def mixed(size: int) -> bytes:
    """Text, then noise, then zeros: a frame of each kind."""
    return (b"some text, over and over " * (size // 60) + noise(1, size // 3)).ljust(size, b"\0")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", threads=2)


@pytest.mark.parametrize("size", [0, 1, 70_000, FRAME - 1, FRAME, FRAME + 1, 3 * FRAME + 12345])
def test_what_went_in_comes_out(store: Store, size: int) -> None:
    content = mixed(size)
    blob = store.add(io.BytesIO(content))
    assert blob == Blob(digest_of(content), size)
    assert blob.digest in store
    assert store.size(blob.digest) == size
    with store.open(blob.digest) as stream:
        assert stream.read() == content


def test_a_stream_that_hands_out_little_at_a_time_is_cut_into_the_same_frames(store: Store, tmp_path: Path) -> None:
    content = mixed(2 * FRAME + 5)

    class Slow(io.RawIOBase):
        def __init__(self) -> None:
            self.inner = io.BytesIO(content)

        def read(self, size: int = -1) -> bytes:
            return self.inner.read(min(size, 65_537))

    other = Store(tmp_path / "other", threads=1)
    digest = store.add(io.BytesIO(content)).digest
    other.add(Slow())  # type: ignore[arg-type]
    with store.blob(digest) as one, other.blob(digest) as two:
        assert one.frames == two.frames


def test_a_blob_file_is_a_zstd_stream_of_the_blob(store: Store) -> None:
    content = mixed(2 * FRAME)
    digest = store.add(io.BytesIO(content)).digest
    (path,) = store.root.glob("blobs/*/*")
    assert subprocess.run(["zstd", "-dc"], stdin=path.open("rb"), capture_output=True, check=True).stdout == content
    assert path.name in digest


def test_incompressible_content_hardly_grows(store: Store) -> None:
    store.add_bytes(noise(2, 2 * FRAME))
    (path,) = store.root.glob("blobs/*/*")
    assert path.stat().st_size < 2 * FRAME + 500


def test_an_expected_blob_that_is_here_is_not_read_again(store: Store) -> None:
    digest = store.add_bytes(b"content").digest
    stream = io.BytesIO(b"content")
    assert store.add(stream, expected=digest) == Blob(digest, 7)
    assert stream.tell() == 0


def test_other_content_than_expected_leaves_nothing(store: Store) -> None:
    with pytest.raises(DamageError, match="expected sha256:"):
        store.add(io.BytesIO(b"other"), expected=digest_of(b"content"))
    assert list(store) == []
    assert list(store.root.glob("incoming/*")) == []


def test_a_stream_that_fails_leaves_nothing(store: Store) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() >= 2 * FRAME:
                raise ConnectionResetError("cut")
            return super().read(size)

    with pytest.raises(ConnectionResetError):
        store.add(Broken(noise(1, 3 * FRAME)))
    assert list(store) == []
    assert list(store.root.glob("incoming/*")) == []


def test_a_missing_blob_is_named(store: Store) -> None:
    digest = digest_of(b"nowhere")
    assert digest not in store
    for ask in (store.open, store.size, store.read_bytes):
        with pytest.raises(MissingError, match=digest):
            ask(digest)


def test_read_bytes_has_a_limit(store: Store) -> None:
    digest = store.add_bytes(b"x" * 100).digest
    assert store.read_bytes(digest, limit=100) == b"x" * 100
    with pytest.raises(DamageError, match="100 bytes"):
        store.read_bytes(digest, limit=99)


def test_every_flipped_byte_of_a_blob_file_is_noticed(store: Store) -> None:
    content = mixed(3000)
    digest = store.add_bytes(content).digest
    (path,) = store.root.glob("blobs/*/*")
    good = path.read_bytes()
    codec = range(len(good) - 36, len(good) - 12)
    for at in range(len(good)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x55]) + good[at + 1 :])
        if at in codec:
            assert store.codec(digest) != CODEC
        else:
            with pytest.raises(DamageError):
                store.read_bytes(digest)


def test_ranges_are_read_without_the_rest(store: Store) -> None:
    content = noise(4, 3 * FRAME + 77)
    digest = store.add_bytes(content).digest
    with store.blob(digest) as blob:
        for offset, length in ((0, 0), (0, 1), (FRAME - 3, 10), (5, 2 * FRAME + 9), (3 * FRAME + 70, 7)):
            assert blob.read_at(offset, length) == content[offset : offset + length]
        with pytest.raises(ValueError, match="of a blob of"):
            blob.read_at(3 * FRAME + 70, 8)


def test_frames_travel_from_store_to_store(store: Store, tmp_path: Path) -> None:
    content = mixed(2 * FRAME + 1)
    digest = store.add_bytes(content).digest
    site = Store(tmp_path / "site")
    with store.blob(digest) as blob:
        site.add_frames(blob.blob, blob.packed(), store.codec(digest))
    assert site.read_bytes(digest) == content
    assert site.codec(digest) == CODEC


def test_frames_of_another_size_are_refused(store: Store, tmp_path: Path) -> None:
    digest = store.add_bytes(b"content").digest
    site = Store(tmp_path / "site")
    with store.blob(digest) as blob, pytest.raises(DamageError):
        site.add_frames(Blob(digest, 8), blob.packed(), CODEC)
    assert list(site) == []


def test_frames_of_another_blob_are_never_taken_for_it(store: Store, tmp_path: Path) -> None:
    digest, other = store.add_bytes(b"content").digest, digest_of(b"another")
    site = Store(tmp_path / "site")
    with store.blob(digest) as blob:
        site.add_frames(Blob(other, 7), blob.packed(), CODEC)
    with pytest.raises(DamageError, match="does not have the content that its name promises"):
        site.read_bytes(other)
    with pytest.raises(DamageError), site.open(other) as stream:
        stream.read(1)


def test_many_writers_of_the_same_blobs(store: Store) -> None:
    contents = [mixed(FRAME + number) for number in range(4)]

    def write(_: int) -> None:
        for content in contents:
            store.add(io.BytesIO(content))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert {digest_of(content) for content in contents} == set(store)
    assert all(store.read_bytes(digest_of(content)) == content for content in contents)


def test_gc_keeps_what_is_named(store: Store) -> None:
    kept, dropped = store.add_bytes(b"kept").digest, store.add_bytes(noise(1, 5000)).digest
    assert store.gc({kept}) >= 5000
    assert list(store) == [kept]
    assert dropped not in store


WRITER = """
import sys
from pathlib import Path
from bundle_format.store import Store
class Endless:
    def read(self, size):
        print("reading", flush=True)
        sys.stdin.readline()
        return b"x" * size
Store(Path(sys.argv[1])).add(Endless())
"""


def test_gc_removes_what_a_killed_writer_left_but_not_what_a_live_one_writes(store: Store) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, store.root], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"reading\n"
    store.gc(())
    assert len(list(store.root.glob("incoming/*"))) == 1
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    assert len(list(store.root.glob("incoming/*"))) == 1
    store.gc(())
    assert list(store.root.glob("incoming/*")) == []


@pytest.mark.skipif(os.name == "nt", reason="limits a file's size as POSIX does")
def test_threat_28_a_full_disk_at_any_write_leaves_nothing(store: Store) -> None:
    content = noise(3, FRAME + 1000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for room in (0, 1, 1000, FRAME, FRAME + 1100, FRAME + 1250):
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
            with pytest.raises(PreflightError, match="cannot be written"):
                store.add(io.BytesIO(content))
            assert list(store) == []
            assert list(store.root.glob("incoming/*")) == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert store.read_bytes(store.add(io.BytesIO(content)).digest) == content


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.binary(min_size=1, max_size=50), st.integers(1, 40_000)), max_size=6))
def test_any_content_survives(tmp_path_factory: pytest.TempPathFactory, runs: list[tuple[bytes, int]]) -> None:
    content = b"".join(piece * times for piece, times in runs)
    store = Store(tmp_path_factory.mktemp("any"), threads=1)
    assert store.read_bytes(store.add(io.BytesIO(content)).digest) == content
