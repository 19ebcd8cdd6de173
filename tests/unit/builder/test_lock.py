"""The lock is the same text for the same pins, read strictly, and tells what differs."""

from pathlib import Path

import pytest

from builder.lock import (
    FILE,
    Lock,
    LockedArtifact,
    LockedFile,
    LockedHeld,
    LockedImage,
    LockedRelease,
    read_lock,
    write_lock,
)
from bundle_format.digest import digest_of
from bundle_format.errors import DefinitionError

ONE, TWO = digest_of(b"1"), digest_of(b"2")
LOCK = Lock(
    release=LockedRelease(version="2024.1", sequence=3, issued=1700000000),
    images={"docker.io/library/nginx:1.27 linux/amd64": LockedImage(manifest=ONE)},
    engine={"local:1": LockedHeld(id=TWO)},
    artifacts={
        "com.acme:app:1.0-SNAPSHOT": LockedArtifact(
            files={'odd "name".jar': LockedFile(source="com.acme:app:1.0-20240101.010101-1:jar", digest=TWO, size=7)}
        ),
        "tool": LockedArtifact(commit="0" * 40),
    },
    files={"conf/ż.conf": ONE},
)


def test_a_lock_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    assert read_lock(tmp_path) is None
    write_lock(tmp_path, LOCK)
    text = (tmp_path / FILE).read_bytes()
    assert read_lock(tmp_path) == LOCK
    write_lock(tmp_path, LOCK.model_copy(update={"artifacts": dict(reversed(LOCK.artifacts.items()))}))
    assert (tmp_path / FILE).read_bytes() == text
    assert text.startswith(b"# What this release is made of")
    write_lock(tmp_path, Lock())
    assert read_lock(tmp_path) == Lock()


def test_differences_are_told_one_a_line() -> None:
    other = LOCK.model_copy(
        update={
            "images": {"docker.io/library/nginx:1.27 linux/amd64": LockedImage(manifest=TWO)},
            "engine": {},
            "files": {**LOCK.files, "new": TWO},
        }
    )
    assert LOCK.differences(LOCK) == []
    assert LOCK.differences(other) == [
        f"file new: not locked -> {TWO}",
        f"image docker.io/library/nginx:1.27 linux/amd64: {ONE} -> {TWO}",
        f"image local:1 of the engine: {TWO} -> no longer needed",
    ]


def test_a_broken_lock_is_told_with_its_places(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(
        'format = "floto-lock/1"\n[images.a]\nmanifest = "sha256:12"\n[imagess]\n', encoding="utf-8"
    )
    with pytest.raises(DefinitionError) as caught:
        read_lock(tmp_path)
    assert [line.split(": ")[0] for line in caught.value.message.splitlines()] == ["floto.lock:3:1", "floto.lock:4:1"]
    assert "remove it" in caught.value.hint, "lock reads it, too"


@pytest.mark.parametrize(
    ("line", "key", "number", "fault"),
    [
        (3, "sequence", -3, "must be greater than or equal to 1"),
        (3, "sequence", 99999999999999999, "must be less than 9007199254740992"),
        (4, "issued", -5, "must be greater than or equal to 0"),
        (4, "issued", 253402300800, "must be less than or equal to 253402300799"),
    ],
)
def test_what_is_no_number_or_date_of_a_release_is_told_with_its_place(
    tmp_path: Path, line: int, key: str, number: int, fault: str
) -> None:
    release = {"version": '"1"', "sequence": 1, "issued": 1, key: number}
    text = "\n".join(["[release]", *(f"{name} = {value}" for name, value in release.items())])
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(DefinitionError) as caught:
        read_lock(tmp_path)
    assert caught.value.message == f"floto.lock:{line}:1: error: release.{key}: {fault}"
