"""Damage of every kind to a small bundle: always noticed, always located, never a crash (THREATS 1 to 3, 13 to 17)."""

import hashlib
import os
import random
import sys
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bundle_format import head
from bundle_format.digest import digest_of
from bundle_format.errors import DamageError, FlotoError, TrustError
from bundle_format.layout import frames
from bundle_format.layout.medium import FileMedium
from bundle_format.layout.payload import file_extents
from bundle_format.layout.preamble import PAGE_SIZE
from bundle_format.progress import Silence
from bundle_format.reader import open_bundle, open_pipe
from tests.bundles import Made, make_bundle, noise, root_document


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    files = {"app.conf": b"listen 80;\n", "data.bin": noise(1, 700)}
    return make_bundle(tmp_path_factory.mktemp("small"), files, chain=(root_document("acme"),))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The next release, with everything of the same sizes."""
    files = {"app.conf": b"listen 81;\n", "data.bin": noise(2, 700)}
    folder = tmp_path_factory.mktemp("other")
    return make_bundle(folder, files, chain=(root_document("acme"),), version="2", sequence=2)


def borders(made: Made) -> list[int]:
    """The offset of everything that has a name."""
    opened = head.open_head([FileMedium(made.path)], made.trust)
    return [extent.offset for extent in file_extents(opened.head)]


@pytest.mark.parametrize("quarter", range(4))
def test_threat_01_every_flipped_byte_is_found_where_it_is(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], quarter: int
) -> None:
    """The whole of a bundle, one byte after the other, with a mask that changes from byte to byte."""
    good = made.path.read_bytes()
    path = tmp_path / "hurt.floto"
    path.write_bytes(good)
    located = 0
    with path.open("r+b", buffering=0) as file:
        offsets = range(quarter, len(good), 4)
        for offset in offsets:
            byte = good[offset]
            os.pwrite(file.fileno(), bytes([byte ^ (1 << offset // 4 % 8)]), offset)
            with open_bundle(path, made.trust, threads=1) as bundle:
                found = bundle.verify(Silence())
                located += any(damage.offset <= offset < damage.offset + damage.size for damage in found)
                assert len(found) == 1, f"byte {offset}: {found}"
            os.pwrite(file.fileno(), bytes([byte]), offset)
    with capsys.disabled():
        sys.stdout.write(f" {located}/{len(offsets)} flipped bytes found and located ")
    assert located == len(offsets)


def test_threat_02_a_copy_cut_short_anywhere_is_refused(made: Made, tmp_path: Path) -> None:
    good = made.path.read_bytes()
    path = tmp_path / "short.floto"
    for size in sorted({*range(0, len(good), 512), *borders(made), len(good) - 1}):
        path.write_bytes(good[:size])
        with pytest.raises(DamageError):
            open_bundle(path, made.trust)


def test_threat_02_what_was_copied_before_the_cut_is_told(made: Made, tmp_path: Path) -> None:
    good = made.path.read_bytes()
    path = tmp_path / "short.floto"
    path.write_bytes(good[:-1])
    with pytest.raises(DamageError, match=f"{len(good) - 1} of {len(good)} bytes are here, 10 of 10 blobs are whole"):
        open_bundle(path, made.trust)
    with open_bundle(path, made.trust, salvage=True) as bundle:
        assert [damage.what for damage in bundle.verify(Silence())] == ["mirror of the header page"]


@pytest.mark.parametrize("tail", [b"\0", b"x", b"PK\x05\x06" + bytes(18), bytes(4096)])
def test_threat_03_something_appended_is_refused(made: Made, tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "long.floto"
    path.write_bytes(made.path.read_bytes() + tail)
    with pytest.raises(DamageError, match="something was appended"):
        open_bundle(path, made.trust)
    with open_bundle(path, made.trust, salvage=True) as bundle:
        (found,) = bundle.verify(Silence())
        assert (found.offset, found.size) == (len(made.path.read_bytes()), len(tail))


def test_threat_13_two_bundles_spliced_at_any_border_are_refused(made: Made, other: Made, tmp_path: Path) -> None:
    one, two = made.path.read_bytes(), other.path.read_bytes()
    path = tmp_path / "spliced.floto"
    cuts = sorted({*borders(made), *borders(other)} - {0, len(one), len(two)})
    for cut in cuts:
        for content in (one[:cut] + two[cut:], two[:cut] + one[cut:]):
            path.write_bytes(content)
            try:
                with open_bundle(path, made.trust, salvage=True) as bundle:
                    assert bundle.verify(Silence())
            except (DamageError, TrustError):
                continue


def test_threat_13_frames_in_another_order_are_found(made: Made, tmp_path: Path) -> None:
    good = made.path.read_bytes()
    opened = head.open_head([FileMedium(made.path)], made.trust)
    spans = [slice(extent.offset, extent.offset + extent.size) for extent in file_extents(opened.head) if extent.entry]
    path = tmp_path / "swapped.floto"
    for one, two in pairwise(spans):
        path.write_bytes(good[: one.start] + good[two] + good[one.stop : two.start] + good[one] + good[two.stop :])
        with open_bundle(path, made.trust) as bundle:
            assert len([damage for damage in bundle.verify(Silence()) if damage.frame is not None]) == 2


def test_threat_15_a_stick_that_answers_differently_the_second_time(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is read twice comes wrong: so nothing may be verified in one reading and used in another."""
    honest = FileMedium.read_at
    seen = set[tuple[int, int]]()
    lock = threading.Lock()

    def fickle(self: FileMedium, offset: int, length: int) -> bytes:
        content = honest(self, offset, length)
        with lock:
            again = (offset, length) in seen or not content
            seen.add((offset, length))
        return bytes([content[0] ^ 0xFF]) + content[1:] if again and content else content

    with open_bundle(made.path, made.trust) as bundle:
        expected = {entry.digest: bundle.read_bytes(entry.digest) for entry in bundle.index.blobs}
    monkeypatch.setattr(FileMedium, "read_at", fickle)
    with open_bundle(made.path, made.trust) as bundle:
        for digest, content in expected.items():
            assert bundle.read_bytes(digest) == content
            if content:
                with pytest.raises(DamageError):
                    bundle.read_bytes(digest)


def test_threat_16_a_file_replaced_while_it_is_open_changes_nothing(made: Made, other: Made, tmp_path: Path) -> None:
    path = tmp_path / "shop.floto"
    path.write_bytes(made.path.read_bytes())
    with open_bundle(path, made.trust) as bundle:
        (tmp_path / "evil.floto").write_bytes(other.path.read_bytes())
        (tmp_path / "evil.floto").replace(path)
        assert bundle.release == made.release
        assert bundle.verify(Silence()) == []


def test_threat_17_nothing_unverified_reaches_a_parser(made: Made, tmp_path: Path, monkeypatch: Any) -> None:
    """Whatever is flipped, zstd and the JSON parser see only bytes whose digest the header page vouches for."""
    with open_bundle(made.path, made.trust) as bundle:
        signed = {frame.sha256 for frame in bundle.table} | {bundle.page.index_sha256}
    seen = set[bytes]()

    def watched(parser: Callable[..., Any]) -> Callable[..., Any]:
        def watch(content: bytes, *rest: Any) -> Any:
            seen.add(hashlib.sha256(content).digest())
            return parser(content, *rest)

        return watch

    monkeypatch.setattr(head, "read_index", watched(head.read_index))
    parameters = watched(frames.zstandard.get_frame_parameters)
    monkeypatch.setattr(frames.zstandard, "get_frame_parameters", parameters)
    good = made.path.read_bytes()
    path = tmp_path / "hurt.floto"
    rng = random.Random(17)
    for offset in [*range(256), *rng.sample(range(len(good)), 500)]:
        path.write_bytes(good[:offset] + bytes([good[offset] ^ 0x80]) + good[offset + 1 :])
        try:
            with open_bundle(path, made.trust, threads=1) as bundle:
                for entry in bundle.index.blobs:
                    bundle.read_bytes(entry.digest)
        except FlotoError:
            continue
    assert seen
    assert seen <= signed


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_mixture_of_damage_ends_in_a_verdict(made: Made, tmp_path: Path, data: st.DataObject) -> None:
    """Cut, grow, overwrite and move: either the content is the signed one, or an error of ours says what is wrong."""
    content = bytearray(made.path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        piece = data.draw(st.one_of(st.binary(min_size=1, max_size=40), st.just(bytes(content[:PAGE_SIZE]))))
        match data.draw(st.sampled_from(("overwrite", "insert", "cut"))):
            case "overwrite":
                content[at : at + len(piece)] = piece
            case "insert":
                content[at:at] = piece
            case "cut":
                del content[at : at + len(piece)]
    path = tmp_path / "hurt.floto"
    path.write_bytes(content)
    try:
        with open_bundle(path, made.trust, salvage=True, threads=1) as bundle:
            changed = bytes(content) != made.path.read_bytes()
            assert bool(bundle.verify(Silence())) == changed
            for digest in bundle.entries:
                assert digest_of(bundle.read_bytes(digest)) == digest
    except FlotoError:
        pass


def test_a_pipe_that_breaks_is_damage(made: Made) -> None:
    reading, writing = os.pipe()
    os.write(writing, made.path.read_bytes()[: borders(made)[-6]])
    os.close(writing)
    with os.fdopen(reading, "rb") as stream, open_pipe(stream, made.trust) as bundle, pytest.raises(DamageError):
        for entry in bundle.index.blobs:
            bundle.read_bytes(entry.digest)
