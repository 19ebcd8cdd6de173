"""How this writer compresses a frame (SPEC.md, frames)."""

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import zstandard

from bundle_format.layout.frames import CODEC, FRAME, pack, plain_frame, unpack
from tests.bundles import noise

KINDS = {
    "noise": noise(1, FRAME),
    "text": b"".join(b"line %d of a log\n" % number for number in range(200_000))[:FRAME],
    "noise that comes again": (noise(2, 290_000) * 15)[:FRAME],
    "short": b"hello\n",
    "nothing": b"",
}


def by_zstd(content: bytes, **parameters: int) -> bytes:
    wanted = zstandard.ZstdCompressionParameters(**parameters, write_checksum=True, write_content_size=True)
    return zstandard.ZstdCompressor(compression_params=wanted).compress(content)


def test_what_becomes_no_smaller_is_stored_plain() -> None:
    for kind in ("noise", "short", "nothing"):
        assert pack(KINDS[kind]).content == plain_frame(KINDS[kind])


def test_what_a_sample_cannot_see_is_compressed_fast() -> None:
    content = KINDS["noise that comes again"]
    assert pack(content).content == by_zstd(content, compression_level=1)
    assert len(pack(content).content) < FRAME // 8


def test_what_shrinks_well_is_compressed_well() -> None:
    assert pack(KINDS["text"]).content == by_zstd(KINDS["text"], compression_level=3, window_log=22, chain_log=17)


def test_a_thread_packs_the_same_whatever_it_packed_before() -> None:
    with ThreadPoolExecutor(1) as used:
        made = [[used.submit(pack, content).result() for content in KINDS.values()] for _ in range(3)]
    for number, content in enumerate(KINDS.values()):
        with ThreadPoolExecutor(1) as fresh:
            assert {one[number].content for one in made} == {fresh.submit(pack, content).result().content}
        assert unpack(made[0][number].content, len(content)) == content


def test_the_codec_makes_the_bytes_that_its_name_promises() -> None:
    """Other bytes need another revision in CODEC, and in the specification."""
    made = sha256(b"".join(pack(content).content for content in KINDS.values())).hexdigest()
    assert (CODEC, made) == ("zstd-1.5.7/2", "6b1b26a416a405e36557d98630d546fb2cafa1d17c71f66771c7993cd72b5630")
