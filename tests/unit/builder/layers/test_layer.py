"""A layer's bytes depend on its entries alone."""

import io
import random
import tarfile

import pytest

from builder.layers.layer import Entry, write_tar
from bundle_format.errors import DefinitionError
from bundle_format.pieces import stream_of

EPOCH = 315532800


def file(path: str, content: bytes, mode: int = 0o644) -> Entry:
    return Entry(path, "file", mode, size=len(content), open=lambda: io.BytesIO(content))


ENTRIES = [
    Entry("app", "folder", 0o755, uid=7, gid=8),
    file("app/run.sh", b"#!/bin/sh\n", 0o755),
    file("app/" + "long" * 40 + "/żółw.txt", b"x" * 1300),
    Entry("app/link", "link", 0o777, target="run.sh"),
    file("app/empty", b""),
]


def test_the_order_of_the_entries_does_not_matter() -> None:
    tars = set()
    for seed in range(5):
        entries = random.Random(seed).sample(ENTRIES, len(ENTRIES))
        tars.add(b"".join(write_tar(entries, EPOCH)))
    assert len(tars) == 1


def test_tar_reads_back_what_was_said() -> None:
    with tarfile.open(fileobj=stream_of(write_tar(ENTRIES, EPOCH)), mode="r|") as tar:
        found = {member.name: (member.type, member.mode, member.uid, member.mtime, member.size) for member in tar}
    assert found == {
        "app": (tarfile.DIRTYPE, 0o755, 7, EPOCH, 0),
        "app/empty": (tarfile.REGTYPE, 0o644, 0, EPOCH, 0),
        "app/link": (tarfile.SYMTYPE, 0o777, 0, EPOCH, 0),
        "app/" + "long" * 40 + "/żółw.txt": (tarfile.REGTYPE, 0o644, 0, EPOCH, 1300),
        "app/run.sh": (tarfile.REGTYPE, 0o755, 0, EPOCH, 10),
    }


def test_a_file_that_grows_while_it_is_read_is_told() -> None:
    growing = Entry("log", "file", 0o644, size=3, open=lambda: io.BytesIO(b"four"))
    with pytest.raises(DefinitionError, match="log: changed while it was read"):
        b"".join(write_tar([growing], EPOCH))
