"""`floto.lock`: every artifact of a project as one exact thing, in a text that is reviewed like the definition."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from builder.documents import read_toml
from bundle_format.canonical import MAX_INT
from bundle_format.durable import whole_file
from bundle_format.errors import DefinitionError
from bundle_format.release.fields import Version
from bundle_format.release.model import DigestText
from bundle_format.release.value import Value
from bundle_format.trust.admission import LAST

FILE = "floto.lock"

_HEAD = "# What this release is made of, exactly. Written by `floto-builder lock`; review it like code.\n"


class LockedRelease(Value):
    """Which release this is: its place in the channel's order, and its date in seconds since 1970 UTC."""

    version: Version
    sequence: Annotated[int, Field(ge=1, lt=MAX_INT)]
    issued: Annotated[int, Field(ge=0, le=LAST)]


class LockedImage(Value):
    """The manifest of one platform that a reference means."""

    manifest: DigestText


class LockedHeld(Value):
    """The image that an engine means by a reference, by its id there: nowhere else is it to be had."""

    id: str


class LockedFile(Value):
    """A file by content; `source` are coordinates or an address that will not mean another file tomorrow."""

    source: str
    digest: DigestText
    size: int


class LockedArtifact(Value):
    """The files of an artifact by name, or the commit that it is made from."""

    files: dict[str, LockedFile] = Field(default_factory=dict)
    commit: str | None = None


class Lock(Value):
    """Everything that is pinned. Images are named by reference and platform, files that sites get by their paths."""

    format: Literal["floto-lock/1"] = "floto-lock/1"
    release: LockedRelease | None = None
    images: dict[str, LockedImage] = Field(default_factory=dict)
    engine: dict[str, LockedHeld] = Field(default_factory=dict)
    artifacts: dict[str, LockedArtifact] = Field(default_factory=dict)
    files: dict[str, DigestText] = Field(default_factory=dict)

    def differences(self, other: "Lock") -> list[str]:
        """What another lock pins otherwise, one line each: what it is called, here and there."""
        ours, theirs = dict(_pins(self)), dict(_pins(other))
        return [
            f"{name}: {ours.get(name, 'not locked')} -> {theirs.get(name, 'no longer needed')}"
            for name in sorted({*ours, *theirs})
            if ours.get(name) != theirs.get(name)
        ]


def read_lock(project: Path) -> Lock | None:
    """The lock of a project; None where it has none. DefinitionError with every fault by line and column."""
    try:
        content = (project / FILE).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DefinitionError(f"{FILE} cannot be read: {error.strerror}") from error
    return read_toml(content, FILE, Lock, "Mend it, or remove it and write it anew: floto-builder lock")


def write_lock(project: Path, lock: Lock) -> None:
    """Write a project's lock; the same lock is the same text."""
    with whole_file(project / FILE) as file:
        file.write((_HEAD + "\n".join(_tables((), lock.model_dump(mode="json", exclude_none=True)))).encode())


def _tables(path: tuple[str, ...], value: Mapping[str, Any]) -> Iterator[str]:
    """TOML of nested tables, sorted; JSON's strings and numbers are TOML's."""
    plain = {key: one for key, one in sorted(value.items()) if not isinstance(one, dict)}
    if plain:
        if path:
            yield f"\n[{'.'.join(map(_key, path))}]"
        yield from (f"{_key(key)} = {json.dumps(one)}" for key, one in plain.items())
    for key, one in sorted(value.items()):
        if isinstance(one, dict):
            yield from _tables((*path, key), one)
    if not path:
        yield ""


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else json.dumps(key)


def _pins(lock: Lock) -> Iterator[tuple[str, str]]:
    for name, image in lock.images.items():
        yield f"image {name}", image.manifest
    for reference, held in lock.engine.items():
        yield f"image {reference} of the engine", held.id
    for name, artifact in lock.artifacts.items():
        if artifact.commit:
            yield f"artifact {name}", artifact.commit
        for file, locked in artifact.files.items():
            yield f"artifact {name} ({file})", f"{locked.digest} of {locked.source}, {locked.size} bytes"
    for path, digest in lock.files.items():
        yield f"file {path}", digest
