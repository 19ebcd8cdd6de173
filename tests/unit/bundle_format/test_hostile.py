"""Bundles that lie and are signed all the same: each lie has its verdict (THREATS 12, 17 to 19, 34)."""

import hashlib
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from bundle_format.blob import Blob
from bundle_format.canonical import canonical, parse_canonical
from bundle_format.digest import digest_of
from bundle_format.errors import DamageError, FlotoError, TrustError
from bundle_format.layout.frames import CODEC, FRAME, Frame, PackedFrame, pack, plain_frame
from bundle_format.progress import Silence
from bundle_format.reader import open_bundle
from bundle_format.store import Store
from bundle_format.trust.documents import channel_id
from bundle_format.writer import Carried, Heading, carry, draft_bundle, types_in
from tests.bundles import Made, key, make_bundle, noise
from tests.forge import Forgery, forgery_of


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_bundle(tmp_path_factory.mktemp("small"), {"app.conf": b"listen 80;\n", "data.bin": noise(1, 700)})


@pytest.fixture
def good(made: Made) -> Forgery:
    return forgery_of(made)


@pytest.fixture
def opened(made: Made, tmp_path: Path) -> Callable[[bytes], None]:
    """Open, read and verify a file of these bytes."""

    def use(content: bytes) -> None:
        path = tmp_path / "forged.floto"
        path.write_bytes(content)
        with open_bundle(path, made.trust) as bundle:
            for digest in bundle.entries:
                bundle.read_bytes(digest)
            assert bundle.release
            assert bundle.verify(Silence()) == []

    return use


def test_an_honest_forgery_passes(good: Forgery, made: Made, opened: Callable[[bytes], None]) -> None:
    assert good.to_bytes() == made.path.read_bytes()
    opened(good.to_bytes())
    opened(good.with_signed_bytes(32, bytes(8)))


@pytest.mark.parametrize(
    ("offset", "content"),
    [
        pytest.param(16, b"\2\0", id="major version 2"),
        pytest.param(16, b"\0\0", id="major version 0"),
        pytest.param(20, b"\2\0\0\0", id="kind 2"),
        pytest.param(24, b"\1", id="incompatible feature"),
        pytest.param(31, b"\x80", id="highest incompatible feature"),
    ],
)
def test_threat_34_what_this_program_does_not_know_is_refused(
    good: Forgery, opened: Callable[[bytes], None], offset: int, content: bytes
) -> None:
    with pytest.raises(FlotoError, match="this program reads format") as refused:
        opened(good.with_signed_bytes(offset, content))
    assert not isinstance(refused.value, DamageError | TrustError)


def test_threat_34_a_feature_bit_cannot_be_cleared_by_a_stranger(
    good: Forgery, opened: Callable[[bytes], None]
) -> None:
    with pytest.raises(TrustError):
        opened(good.with_signed_bytes(24, b"\0", signer=key("mallory")))


def test_a_compatible_feature_or_a_later_minor_version_is_read(good: Forgery, opened: Callable[[bytes], None]) -> None:
    opened(good.with_signed_bytes(32, b"\xff" * 8))
    opened(good.with_signed_bytes(18, b"\7\0"))


@pytest.mark.parametrize("offset", [124, 192, 251])
def test_bytes_that_say_nothing_must_be_zero(good: Forgery, opened: Callable[[bytes], None], offset: int) -> None:
    with pytest.raises(DamageError, match="say nothing"):
        opened(good.with_signed_bytes(offset, b"\1"))


BOUNDS = {
    "index inside the page": {"index_offset": 4095},
    "index at the end of the numbers": {"index_offset": 2**64 - 1},
    "index beyond the trust limit": {"index_offset": 4104 + (1 << 20) + 1},
    "empty index": {"index_size": 0},
    "huge index": {"index_size": 2**63},
    "index one byte longer": {"index_size": None},
    "table before the index": {"table_offset": 4096},
    "table at the end of the numbers": {"table_offset": 2**64 - 1},
    "payload before the table": {"payload_offset": 4096},
    "payload beyond the file": {"payload_offset": 2**63},
    "total zero": {"total": 0},
    "total beyond 2^53": {"total": 2**53},
    "total at the end of the numbers": {"total": 2**64 - 1},
}


@pytest.mark.parametrize("fault", BOUNDS)
def test_sections_that_cannot_lie_where_they_should_are_refused(
    good: Forgery, opened: Callable[[bytes], None], fault: str
) -> None:
    fields = {name: len(good.index) + 1 if value is None else value for name, value in BOUNDS[fault].items()}
    with pytest.raises(DamageError):
        opened(good.to_bytes(**fields))


def entry_of(good: Forgery, position: int) -> dict[str, Any]:
    entry: dict[str, Any] = parse_canonical(good.index)["blobs"][position]
    return entry


UNSOUND: dict[str, Callable[[Forgery], Forgery]] = {
    "another product": lambda good: good.with_index(product="other"),
    "another channel": lambda good: good.with_index(channel="beta"),
    "another sequence": lambda good: good.with_index(sequence=2),
    "unknown key": lambda good: good.with_index(extra=1),
    "unknown format": lambda good: good.with_index(format="floto-index/2"),
    "sequence as text": lambda good: good.with_index(sequence="1"),
    "negative issue time": lambda good: good.with_index(issued=-1),
    "release with a terminal escape": lambda good: good.with_index(release="\x1b[2J"),
    "product with a path": lambda good: good.with_index(product="../etc"),
    "digest in upper case": lambda good: good.with_entry(4, digest=entry_of(good, 4)["digest"].upper()),
    "digest as a path": lambda good: good.with_entry(4, digest="sha256:../../../etc/passwd"),
    "type with a path": lambda good: good.with_entry(4, type="../x y"),
    "blob twice": lambda good: good.with_entry(5, digest=entry_of(good, 4)["digest"]),
    "no blobs": lambda good: good.with_index(blobs=[]),
    "definition not among the blobs": lambda good: good.with_index(definition=digest_of(b"nowhere")),
    "attestation not among the blobs": lambda good: good.with_index(attestations={"sbom": digest_of(b"nowhere")}),
    "size one more": lambda good: good.with_entry(4, size=entry_of(good, 4)["size"] + 1),
    "size huge": lambda good: good.with_entry(4, size=2**53 - 1),
    "size beyond json": lambda good: Forgery(
        good.page, good.trust, good.index.replace(b'"size":11,', b'"size":%d,' % 2**63), good.table, good.payload
    ),
    "frames of the next blob": lambda good: good.with_entry(4, frames=2),
    "frames beyond the table": lambda good: good.with_entry(9, frames=2**40),
    "first frame of another": lambda good: good.with_entry(4, first=0),
    "at the site in a full bundle": lambda good: good.with_entry(4, at="site", frames=0, first=0),
    "at the site with frames": lambda good: good.with_entry(4, at="site"),
    "patch without a base": lambda good: good.with_entry(4, at="patch"),
    "base without a patch": lambda good: good.with_entry(4, base=digest_of(b"base")),
    "table of another length": lambda good: good.with_table(good.table[:-40]),
    "table with half an entry": lambda good: good.with_table(good.table[:-20]),
    "empty frame": lambda good: good.with_table(good.table + bytes(40)),
    "frame too large": lambda good: good.with_table(struct.pack("<II", 2**32 - 1, 2**32 - 1) + good.table[8:]),
    "payload longer than its frames": lambda good: Forgery(
        good.page, good.trust, good.index, good.table, good.payload + b"x"
    ),
}


@pytest.mark.parametrize("fault", UNSOUND)
def test_threat_19_an_index_that_is_not_sound_is_refused(
    good: Forgery, opened: Callable[[bytes], None], fault: str
) -> None:
    with pytest.raises((DamageError, TrustError)) as refused:
        opened(UNSOUND[fault](good).to_bytes())
    assert isinstance(refused.value, DamageError)


TEXTS: dict[str, Callable[[bytes], bytes]] = {
    "no json": lambda text: b"\xff" * 100,
    "empty": lambda text: b"{}",
    "a list": lambda text: b"[]",
    "blank after a colon": lambda text: text.replace(b'"channel":', b'"channel": '),
    "duplicate key": lambda text: text[:-1] + b',"sequence":1}',
    "float": lambda text: text.replace(b'"sequence":1', b'"sequence":1.0'),
    "nan": lambda text: text.replace(b'"sequence":1', b'"sequence":NaN'),
    "exponent": lambda text: text.replace(b'"sequence":1', b'"sequence":1e0'),
    "keys out of order": lambda text: b'{"zzz":1,' + text[1:],
    "utf-8 where an escape is due": lambda text: text.replace(b'"stable"', '"stäble"'.encode()),
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text,
    "trailing newline": lambda text: text + b"\n",
    "nested a million deep": lambda text: b"[" * 1_000_000 + b"]" * 1_000_000,
    "nested objects": lambda text: b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "integer of a million digits": lambda text: b'{"a":' + b"9" * 1_000_000 + b"}",
}


@pytest.mark.parametrize("fault", TEXTS)
def test_threat_19_a_text_that_is_no_canonical_json_is_refused(
    good: Forgery, opened: Callable[[bytes], None], fault: str
) -> None:
    with pytest.raises(DamageError, match="index is not sound"):
        opened(Forgery(good.page, good.trust, TEXTS[fault](good.index), good.table, good.payload).to_bytes())


CONTENT = b"what the blob should be " * 500


def squeezed(content: bytes, **options: int) -> bytes:
    numbers = {int(getattr(zstd.CompressionParameter, name)): value for name, value in options.items()}
    return zstd.compress(content, options=numbers)


def streamed(content: bytes, **options: int) -> bytes:
    """A frame that does not state its size."""
    return squeezed(content, content_size_flag=0, **options)


LYING: dict[str, tuple[bytes, int]] = {
    "states less than it holds": (squeezed(CONTENT), len(CONTENT) - 1),
    "states more than it holds": (squeezed(CONTENT), len(CONTENT) + 1),
    "states no size": (streamed(CONTENT), len(CONTENT)),
    "a bomb of a gigabyte": (squeezed(bytes(1 << 30)), len(CONTENT)),
    "a bomb that states no size": (streamed(bytes(1 << 30)), len(CONTENT)),
    "two frames": (squeezed(CONTENT[:100]) + squeezed(CONTENT[100:]), len(CONTENT)),
    "bytes after the frame": (squeezed(CONTENT) + b"x", len(CONTENT)),
    "a skippable frame after it": (squeezed(CONTENT) + struct.pack("<II", 0x184D2A50, 0), len(CONTENT)),
    "a skippable frame alone": (struct.pack("<II", 0x184D2A50, 100) + bytes(100), len(CONTENT)),
    "cut short": (squeezed(CONTENT)[:-1], len(CONTENT)),
    "wrong checksum": (squeezed(CONTENT, checksum_flag=1)[:-1] + b"!", len(CONTENT)),
    "a window of 128 MiB": (streamed(CONTENT, window_log=27), len(CONTENT)),
    "no zstd": (b"PK\x03\x04" + bytes(60), len(CONTENT)),
    "needs a dictionary": (
        zstd.compress(CONTENT, zstd_dict=zstd.train_dict([CONTENT + bytes([n]) for n in range(100)], 2000)),
        len(CONTENT),
    ),
    "other content": (squeezed(CONTENT.upper()), len(CONTENT)),
    "a raw-block frame of other content": (plain_frame(CONTENT.upper()), len(CONTENT)),
}


@pytest.mark.parametrize("fault", LYING)
def test_threat_18_a_frame_that_lies_is_found_in_bounded_memory(made: Made, tmp_path: Path, fault: str) -> None:
    stored, raw = LYING[fault]
    frame = Frame(len(stored), raw, hashlib.sha256(stored).digest())
    blob = Blob(digest_of(CONTENT), raw)
    path = tmp_path / "lying.floto"
    sign(made, path, Carried(blob, "file", (frame,), lambda: iter([PackedFrame(frame, stored)])))
    with open_bundle(path, made.trust, threads=1) as bundle:
        assert bundle.verify(Silence()) == []
        tracemalloc.start()
        with pytest.raises(DamageError):
            bundle.read_bytes(blob.digest)
        with pytest.raises(DamageError):
            Store(tmp_path / "site").add_frames(blob, bundle.frames(blob.digest), CODEC)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert most < 16 << 20
    assert list(Store(tmp_path / "site")) == []


@pytest.mark.parametrize("sizes", [(FRAME - 1, 1), (1, FRAME), (FRAME + 1,), (0,)])
def test_frames_that_are_not_full_are_refused(made: Made, tmp_path: Path, sizes: tuple[int, ...]) -> None:
    pieces = [pack(bytes(size)) for size in sizes]
    blob = Blob(digest_of(bytes(sum(sizes))), sum(sizes))
    path = tmp_path / "uneven.floto"
    sign(made, path, Carried(blob, "file", [one.frame for one in pieces], lambda: iter(pieces)))
    with pytest.raises(DamageError, match="a frame is empty or too large, or not full"):
        open_bundle(path, made.trust)


def sign(made: Made, path: Path, extra: Carried) -> None:
    """Write the good bundle with one more blob, signed."""
    types = types_in(made.release)
    carried = [*(carry(made.store, digest, types[digest]) for digest in made.blobs), extra]
    draft = draft_bundle(made.release, carried, Heading(channel="stable", sequence=1, issued=1), [])
    with path.open("wb") as stream:
        draft.signed([key("acme").sign(draft.page.message)]).write(stream, Silence())


def test_threat_12_the_page_names_the_product_and_channel(good: Forgery, opened: Callable[[bytes], None]) -> None:
    for other in (channel_id("shop", "beta"), channel_id("other", "stable"), bytes(32)):
        with pytest.raises(TrustError):
            opened(good.to_bytes(channel_id=other))


def test_threat_05_one_signature_in_many_slots_is_no_page(good: Forgery, opened: Callable[[bytes], None]) -> None:
    file = bytearray(good.to_bytes())
    for start in (0, len(file) - 4096):
        file[start + 384 : start + 512] = file[start + 256 : start + 384]
    with pytest.raises(DamageError, match="one of each key"):
        opened(bytes(file))


def test_threat_19_a_million_tiny_blobs_stay_within_limits(good: Forgery, opened: Callable[[bytes], None]) -> None:
    entry = canonical(entry_of(good, 4)).decode()
    blobs = ",".join([entry] * ((16 << 20) // len(entry)))
    index = good.index.replace(b'"blobs":[', b'"blobs":[' + blobs.encode() + b",")
    assert len(index) > 16 << 20
    with pytest.raises(DamageError, match="cannot lie"):
        opened(Forgery(good.page, good.trust, index, good.table, good.payload).to_bytes())
