"""An artifact once it is at hand: one file, or a folder of files, in the store."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bundle_format.digest import Digest
from bundle_format.release.model import File
from bundle_format.store import Store


@dataclass(frozen=True, slots=True)
class Artifact:
    """Files in the store by their names; `folder` where there may be more than one (a closure of dependencies)."""

    files: Mapping[str, File]
    folder: bool = False

    @property
    def only(self) -> File:
        """The file of an artifact that is no folder."""
        (file,) = self.files.values()
        return file

    @property
    def size(self) -> int:
        """The bytes of all files together."""
        return sum(file.size for file in self.files.values())

    def in_store(self, store: Store) -> bool:
        """Whether every file is there."""
        return all(file.digest in store for file in self.files.values())

    def to_json(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        files = {name: {"digest": file.digest, "size": file.size} for name, file in sorted(self.files.items())}
        return {"files": files, "folder": self.folder}


def artifact_from_json(record: Mapping[str, Any]) -> Artifact:
    """What `to_json` wrote."""
    files = {name: File(digest=Digest(file["digest"]), size=file["size"]) for name, file in record["files"].items()}
    return Artifact(files, record["folder"])
