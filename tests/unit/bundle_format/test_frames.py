"""How this writer compresses a frame (SPEC.md, frames)."""

from concurrent.futures import ThreadPoolExecutor

import zstandard

from bundle_format.layout.frames import FRAME, pack, plain_frame, unpack
from tests.bundles import noise

KINDS = {
    "noise": noise(1, FRAME),
    "text": b"".join(b"line %d of a log\n" % number for number in range(200_000))[:FRAME],
    "noise that comes again": (noise(2, 290_000) * 15)[:FRAME],
    "short": b"hello\n",
    "nothing": b"",
}


def at_level(level: int, content: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=level, write_checksum=True, write_content_size=True).compress(content)


def test_what_becomes_no_smaller_is_stored_plain() -> None:
    for kind in ("noise", "short", "nothing"):
        assert pack(KINDS[kind]).content == plain_frame(KINDS[kind])


def test_what_a_sample_cannot_see_is_compressed_fast() -> None:
    content = KINDS["noise that comes again"]
    assert pack(content).content == at_level(1, content)
    assert len(pack(content).content) < FRAME // 8


def test_what_shrinks_well_is_compressed_well() -> None:
    assert pack(KINDS["text"]).content == at_level(3, KINDS["text"])


def test_a_thread_packs_the_same_whatever_it_packed_before() -> None:
    with ThreadPoolExecutor(1) as used:
        made = [[used.submit(pack, content).result() for content in KINDS.values()] for _ in range(3)]
    for number, content in enumerate(KINDS.values()):
        with ThreadPoolExecutor(1) as fresh:
            assert {one[number].content for one in made} == {fresh.submit(pack, content).result().content}
        assert unpack(made[0][number].content, len(content)) == content
