"""Bundles that lie and are signed all the same: each lie has its verdict (THREATS 12, 17 to 19, 34)."""

import hashlib
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle_format.blob import Blob
from bundle_format.canonical import canonical
from bundle_format.digest import digest_of
from bundle_format.errors import DamageError, FlotoError, TrustError
from bundle_format.layout.frames import CODEC, FRAME, Frame, PackedFrame, pack
from bundle_format.progress import Silence
from bundle_format.reader import open_bundle
from bundle_format.store import Store
from bundle_format.trust.documents import channel_id
from bundle_format.writer import Carried, Heading, carry, draft_bundle, types_in
from tests.bundles import Made, key, make_bundle, noise
from tests.forge import Forgery, forgery_of
from tests.vectors.faults import BOUNDS, CONTENT, LYING, TEXTS, UNSOUND, entry_of


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


@pytest.mark.parametrize("fault", BOUNDS)
def test_sections_that_cannot_lie_where_they_should_are_refused(
    good: Forgery, opened: Callable[[bytes], None], fault: str
) -> None:
    with pytest.raises(DamageError):
        opened(good.to_bytes(**BOUNDS[fault]))


@pytest.mark.parametrize("fault", UNSOUND)
def test_threat_19_an_index_that_is_not_sound_is_refused(
    good: Forgery, opened: Callable[[bytes], None], fault: str
) -> None:
    with pytest.raises((DamageError, TrustError)) as refused:
        opened(UNSOUND[fault](good).to_bytes())
    assert isinstance(refused.value, DamageError)


@pytest.mark.parametrize("fault", TEXTS)
def test_threat_19_a_text_that_is_no_canonical_json_is_refused(
    good: Forgery, opened: Callable[[bytes], None], fault: str
) -> None:
    with pytest.raises(DamageError, match="index is not sound"):
        opened(Forgery(good.page, good.trust, TEXTS[fault](good.index), good.table, good.payload).to_bytes())


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
        site = Store(tmp_path / "site")
        site.add_frames(blob, bundle.frames(blob.digest), CODEC)
        with pytest.raises(DamageError):
            site.read_bytes(blob.digest)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert most < 16 << 20


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
