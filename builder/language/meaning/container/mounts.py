"""What lies where in a container: volumes, rendered templates, files, paths of the host, memory."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from builder.language.meaning.binding import Readers
from builder.language.meaning.recipes.contents import members, owner
from builder.language.meaning.scalars import items, mode, plain, record_of, result_of, size, told
from builder.language.meaning.spot import Spot

_READ_ONLY: Final[Readers] = {"volume": ("volume", result_of("volume"))}
_HOST_PATH: Final[Readers] = {"path": ("source", plain), "read_only": ("read_only", plain)}
_TMPFS: Final[Readers] = {"size": ("size", size), "mode": ("mode", mode)}


def read_mounts(value: Any, spot: Spot) -> dict[str, list[Any]]:
    """`mounts` and `files` of a container, from a dictionary of path to what lies there."""
    found: dict[str, list[Any]] = {"mounts": [], "files": []}
    for path, member in items(value, spot):
        inner = spot.at(path)
        for tree in _mounted(path, member, inner):
            field = found["mounts" if "kind" in tree else "files"]
            inner.lead("mounts" if "kind" in tree else "files", len(field))
            field.append(tree)
    return {field: trees for field, trees in found.items() if trees}


def _mounted(path: str, value: Any, spot: Spot) -> Iterator[dict[str, Any]]:
    word = value.get("_word") if isinstance(value, dict) else None
    match word:
        case "volume":
            yield {"kind": "volume", "volume": value["name"], "path": path}
        case "read_only":
            read = record_of(word, _READ_ONLY)(value, spot)
            yield {"kind": "volume", "path": path, "read_only": True} | read
        case "host_path":
            yield {"kind": "host", "path": path} | record_of(word, _HOST_PATH)(value, spot)
        case "tmpfs":
            yield {"kind": "tmpfs", "path": path} | record_of(word, _TMPFS)(value, spot)
        case "template":
            yield {"template": value["name"], "path": path} | owner(value, spot)
        case "file":
            yield {"file": value["name"], "path": path} | owner(value, spot)
        case "artifact":
            yield _artifact(path, value, spot)
        case "folder":
            for name in members(value["name"], spot):
                yield {"file": f"{value['name']}/{name}", "path": f"{path.rstrip('/')}/{name}"} | owner(value, spot)
        case _:
            spot.wrong(
                f"must be what volume(), template(), file() or another of these words returned, not {told(value)}"
            )


def _artifact(path: str, value: Mapping[str, Any], spot: Spot) -> dict[str, Any]:
    if spot.context.said["artifact", value["name"]].named.get("transitive"):
        spot.wrong("is more than one file, being transitive: put it into an image")
    return {"file": value["name"], "path": path}
