"""Streams compressed by others come out as they went in, or are told to be broken."""

import bz2
import gzip
import io
import lzma
import random
from collections.abc import Callable

import pytest
from backports import zstd

from bundle_format.digest import CHUNK
from bundle_format.errors import DamageError
from bundle_format.inflate import inflate

CONTENT = random.Random(1).randbytes(3 * CHUNK // 2) + bytes(5 * CHUNK)


def zstd_with_checksum(content: bytes) -> bytes:
    return zstd.compress(content, options={zstd.CompressionParameter.checksum_flag: 1})


COMPRESS: list[Callable[[bytes], bytes]] = [gzip.compress, zstd_with_checksum, bz2.compress, lzma.compress]


@pytest.mark.parametrize("compress", COMPRESS)
def test_every_kind_comes_back_in_bounded_pieces(compress: Callable[[bytes], bytes]) -> None:
    pieces = list(inflate(io.BytesIO(compress(CONTENT))))
    assert b"".join(pieces) == CONTENT
    assert max(map(len, pieces)) <= CHUNK


@pytest.mark.parametrize("compress", COMPRESS)
def test_streams_after_one_another_are_one(compress: Callable[[bytes], bytes]) -> None:
    packed = compress(b"one") + compress(b"") + compress(b"two")
    assert b"".join(inflate(io.BytesIO(packed))) == b"onetwo"


@pytest.mark.parametrize("compress", COMPRESS)
def test_a_cut_or_broken_stream_is_told(compress: Callable[[bytes], bytes]) -> None:
    packed = compress(CONTENT)
    for damaged in (packed[:-3], packed[: len(packed) // 2], packed[:2000] + b"\xff" * 50 + packed[2050:]):
        with pytest.raises(DamageError):
            b"".join(inflate(io.BytesIO(damaged)))


@pytest.mark.parametrize("content", [b"", b"x", b"plain text", CONTENT])
def test_what_is_not_compressed_passes(content: bytes) -> None:
    assert b"".join(inflate(io.BytesIO(content))) == content
