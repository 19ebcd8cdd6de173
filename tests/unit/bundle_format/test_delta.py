"""Patches: whatever the blobs are, the new one comes out again, and no hostile segment gets past its bounds."""

import io
import random
import struct
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundle_format import delta
from bundle_format.errors import DamageError
from bundle_format.parallel import Workers


class Bytes:
    """A RandomBlob in memory that refuses to be read beyond its end."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size = len(content)

    def read_at(self, offset: int, length: int) -> bytes:
        assert 0 <= offset <= offset + length <= self.size
        return self.content[offset : offset + length]


def tar_of(files: dict[str, bytes], mtime: int = 0) -> Bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mtime = len(content), mtime
            archive.addfile(entry, io.BytesIO(content))
    return Bytes(target.getvalue())


def patch(new: Bytes, base: Bytes) -> list[tuple[bytes, int]]:
    segments = delta.segments_of(delta.members_of(new), delta.members_of(base))
    with Workers(2) as pool:
        return list(delta.encode(new, base, segments, pool))


def rebuilt(stored: list[tuple[bytes, int]], base: Bytes) -> bytes:
    return b"".join(delta.decode_segment(segment, base, length) for segment, length in stored)


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delta, "SEGMENT", 1 << 14)
    monkeypatch.setattr(delta, "SLACK", 1 << 12)
    monkeypatch.setattr(delta, "MAX_REFERENCE", 1 << 16)


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def test_a_touched_tar_costs_a_fraction(small_segments: None) -> None:
    files = {f"usr/lib/file{number}": noise(number, 3000) for number in range(200)}
    base = tar_of(files, mtime=1)
    new = tar_of(files | {"usr/lib/file7": noise(7, 2900) + b"changed"}, mtime=2)
    stored = patch(new, base)
    assert rebuilt(stored, base) == new.content
    assert sum(len(segment) for segment, _ in stored) < new.size // 20


def test_a_renamed_version_finds_its_predecessor(small_segments: None) -> None:
    base = tar_of({"opt/app-1.2.jar": noise(1, 9000)})
    new = tar_of({"opt/app-1.3.jar": noise(1, 9000) + b"x"})
    stored = patch(new, base)
    assert rebuilt(stored, base) == new.content
    assert sum(len(segment) for segment, _ in stored) < 1000


def test_a_member_larger_than_a_segment_is_split_and_still_found(small_segments: None) -> None:
    content = noise(3, 200_000)
    base, new = tar_of({"big": content}), tar_of({"big": b"inserted" + content})
    stored = patch(new, base)
    assert len(stored) > 5
    assert rebuilt(stored, base) == new.content
    assert sum(len(segment) for segment, _ in stored) < new.size // 50


def test_blobs_that_are_no_tar_are_compared_in_place(small_segments: None) -> None:
    base = Bytes(noise(5, 100_000))
    new = Bytes(base.content[:50_000] + b"change" + base.content[50_006:])
    stored = patch(new, base)
    assert rebuilt(stored, base) == new.content
    assert sum(len(segment) for segment, _ in stored) < 4000


def test_resemblance_prefers_the_layer_with_the_same_paths() -> None:
    new = delta.members_of(tar_of({"usr/bin/tool": b"x" * 5000}))
    kin = delta.members_of(tar_of({"usr/bin/tool": b"y" * 100}))
    stranger = delta.members_of(tar_of({"etc/other": b"y" * 5000}))
    assert delta.resemblance(new, kin) > delta.resemblance(new, stranger) == 0


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text("abc/", min_size=1, max_size=5).map(lambda t: t.strip("/") or "a"), st.binary(max_size=300)
    ),
    st.dictionaries(
        st.text("abc/", min_size=1, max_size=5).map(lambda t: t.strip("/") or "a"), st.binary(max_size=300)
    ),
)
def test_every_tar_survives_every_base(new: dict[str, bytes], base: dict[str, bytes]) -> None:
    assert rebuilt(patch(tar_of(new), tar_of(base)), tar_of(base)) == tar_of(new).content


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=2000), st.binary(max_size=2000))
def test_every_blob_survives_every_base(new: bytes, base: bytes) -> None:
    assert rebuilt(patch(Bytes(new), Bytes(base)), Bytes(base)) == new


def hostile() -> dict[str, tuple[bytes, int]]:
    base = Bytes(noise(9, 1000))
    ((good, length),) = patch(Bytes(base.content + b"!"), base)
    (magic,) = struct.unpack_from("<I", good)

    def told(count: int, rest: bytes) -> bytes:
        return struct.pack("<III", magic, len(rest) + 4, count) + rest

    body = good[24:]
    return {
        "empty": (b"", 1),
        "no skippable frame": (struct.pack("<I", 0xFD2FB528) + good[4:], length),
        "frame longer than it says": (good + b"x", length),
        "frame shorter than it says": (good[:-1], length),
        "list cut short": (told(5, b"x" * 12), 1),
        "list too long": (told(2**32 - 1, b""), 1),
        "range beyond the base": (told(1, struct.pack("<QI", 990, 11) + body), length),
        "range overflows": (told(1, struct.pack("<QI", 2**64 - 1, 2**32 - 1) + body), length),
        "other range": (told(1, struct.pack("<QI", 0, 999) + body), length),
        "no zstd": (told(1, good[12:24] + b"junk"), length),
        "zstd cut": (told(1, good[12:-1]), length),
        "zstd appended": (told(1, good[12:] + b"x"), length),
        "length too small": (good, length - 1),
        "length too large": (good, length + 1),
    }


@pytest.mark.parametrize("fault", sorted(hostile()))
def test_a_hostile_segment_is_damage(fault: str) -> None:
    stored, length = hostile()[fault]
    with pytest.raises(DamageError):
        delta.decode_segment(stored, Bytes(noise(9, 1000)), length)
