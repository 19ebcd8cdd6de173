"""A tar with no time later than an epoch: every other byte stays as it was, so that builds can be repeated."""

import re
import tarfile
from collections.abc import Iterator
from decimal import Decimal
from typing import BinaryIO

from bundle_format.digest import CHUNK
from bundle_format.errors import DefinitionError

_BLOCK = tarfile.BLOCKSIZE
_SIZE, _MTIME, _CHECKSUM, _TYPE = slice(124, 136), slice(136, 148), slice(148, 156), 156
_SPARSE_MORE, _SPARSE_MORE_LATER = 482, 504
_MAX_EXTENSION = 1 << 20
_WITHOUT_CONTENT = b"123456"  # hard link, symbolic link, devices, folder, FIFO: POSIX.1-2001 pax, typeflag
_TIMES = {b"atime", b"ctime", b"mtime"}
_DECIMAL = re.compile(rb"-?\d+(\.\d*)?")


def clamp_times(tar: BinaryIO, epoch: int) -> Iterator[bytes]:
    """The bytes of `tar` with each time after `epoch` (seconds) set to it; DefinitionError where it is no tar.

    A tar without later times passes unchanged, byte for byte.
    """
    announced: int | None = None
    while header := _exactly(tar, _BLOCK):
        if not any(header):
            yield header
            break
        kind = header[_TYPE : _TYPE + 1]
        size = _number(header[_SIZE])
        if kind == tarfile.XHDTYPE:
            records = _records(_extension(tar, size))
            announced = next((int(value) for key, value in records if key == b"size" and value.isdigit()), None)
            text = b"".join(_record(key, _clamped(key, value, epoch)) for key, value in records)
            yield _sealed(header, epoch, len(text)) + text + bytes(-len(text) % _BLOCK)
            continue
        yield _sealed(header, epoch, None)
        if kind == tarfile.GNUTYPE_SPARSE:
            yield from _sparse_map(tar, header)
        if kind not in _WITHOUT_CONTENT:
            yield from _copy(tar, size if announced is None else announced)
        if kind not in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
            announced = None
    yield from iter(lambda: tar.read(CHUNK), b"")


def _exactly(tar: BinaryIO, size: int) -> bytes:
    block = tar.read(size)
    if block and len(block) != size:
        raise DefinitionError("a layer ends in the middle of its tar", "Build or save the image again.")
    return block


def _number(field: bytes) -> int:
    try:
        return tarfile.nti(field)  # type: ignore[attr-defined,no-any-return]
    except tarfile.HeaderError as error:
        raise DefinitionError("a layer is no tar", "Build or save the image again.") from error


def _extension(tar: BinaryIO, size: int) -> bytes:
    if size > _MAX_EXTENSION:
        raise DefinitionError("a layer's tar has an extended header of more than 1 MiB", "Build the image again.")
    return _exactly(tar, size + -size % _BLOCK)[:size]


def _sealed(header: bytes, epoch: int, size: int | None) -> bytes:
    """`header` with its time clamped, its size replaced and its checksum renewed; unchanged if nothing differs."""
    block = bytearray(header)
    if _number(header[_MTIME]) > epoch:
        block[_MTIME] = b"%011o\0" % epoch
    if size is not None and size != _number(header[_SIZE]):
        block[_SIZE] = b"%011o\0" % size
    if block != header:
        block[_CHECKSUM] = b" " * 8
        block[_CHECKSUM] = b"%06o\0 " % sum(block)
    return bytes(block)


def _records(text: bytes) -> list[tuple[bytes, bytes]]:
    """The keys and values of pax records `LENGTH KEY=VALUE\\n`."""
    records = []
    while text:
        length, _, _ = text.partition(b" ")
        key, equals, value = text[len(length) + 1 : int(length) - 1 if length.isdigit() else 0].partition(b"=")
        if not equals or int(length) > len(text):
            raise DefinitionError("a layer's tar has a broken extended header", "Build or save the image again.")
        records.append((key, value))
        text = text[int(length) :]
    return records


def _clamped(key: bytes, value: bytes, epoch: int) -> bytes:
    if key not in _TIMES or not _DECIMAL.fullmatch(value) or Decimal(value.decode()) <= epoch:
        return value
    return b"%d" % epoch


def _record(key: bytes, value: bytes) -> bytes:
    text = b" %s=%s\n" % (key, value)
    length = len(text)
    while length != len(text) + len(b"%d" % length):
        length = len(text) + len(b"%d" % length)
    return b"%d%s" % (length, text)


def _sparse_map(tar: BinaryIO, header: bytes) -> Iterator[bytes]:
    more = header[_SPARSE_MORE]
    while more:
        block = _exactly(tar, _BLOCK)
        yield block
        more = block[_SPARSE_MORE_LATER] if block else 0


def _copy(tar: BinaryIO, size: int) -> Iterator[bytes]:
    left = size + -size % _BLOCK
    while left:
        piece = tar.read(min(CHUNK, left))
        if not piece:
            raise DefinitionError("a layer ends in the middle of its tar", "Build or save the image again.")
        left -= len(piece)
        yield piece
