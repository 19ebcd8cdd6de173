"""Files and what else has content: `file()`, `folder()`, `template()`, `artifact()`, `unpack()`."""

from collections.abc import Iterator, Mapping
from typing import Any

from builder.language.evaluation import ArtifactFile, BuildText, Content, Placed, ProjectFile, ProjectFolder
from builder.language.hearing import Call
from builder.language.meaning.binding import Readers, bind, bound_record, judge, read_fields
from builder.language.meaning.scalars import (
    is_result,
    items,
    mode,
    open_value,
    owner_number,
    owner_number_of,
    permissions_of,
    text,
    told,
)
from builder.language.meaning.spot import Spot
from builder.language.prelude.words import words
from bundle_format.errors import DefinitionError

_OWNED: Readers = {
    "path": ("path", text),
    "mode": ("mode", mode),
    "uid": ("uid", owner_number),
    "gid": ("gid", owner_number),
}


def read_file(call: Call, spot: Spot) -> None:
    """`file()` and `folder()`: what they name has to be there, inside the project."""
    fields = read_fields(_OWNED, bind(words()[call.word], call.given, call.named, spot), spot)
    if "path" not in fields:
        return
    project = spot.context.project
    try:
        project.file(fields["path"]) if call.word == "file" else list(project.members(fields["path"]))
    except DefinitionError as error:
        spot.at("path").fault(error.message)


def owner(value: Mapping[str, Any], spot: Spot) -> dict[str, Any]:
    """Permissions and owner that a file or a template shall have; their own word has judged them."""
    given = spot.context.said["template", value["name"]].named if is_result(value, "template") else value
    read = {
        "mode": permissions_of(given.get("mode")),
        "uid": owner_number_of(given.get("uid")),
        "gid": owner_number_of(given.get("gid")),
    }
    return {name: number for name, number in read.items() if number is not None}


def members(folder: str, spot: Spot) -> Iterator[str]:
    """The paths of all files below a folder of the project, relative to it."""
    try:
        for member in spot.context.project.members(folder):
            if member.kind == "file" or (member.kind == "link" and member.place.is_file()):
                yield member.path
    except DefinitionError:
        return  # told where the folder was named


def placed_files(value: Any, spot: Spot) -> tuple[Placed, ...]:
    """What an image or a build context shall hold, by path."""
    found = (_placed(path, member, spot.at(path)) for path, member in items(value, spot))
    return tuple(one for one in found if one)


def _placed(path: str, value: Any, spot: Spot) -> Placed | None:
    if is_result(value, "unpack"):
        bound = bound_record(value, spot)
        content = _content(bound.get("content"), spot.at("content"))
        how = {"unpack": True, "strip": bound.get("strip", 0)}
    else:
        content = _content(value, spot)
        how = owner(value, spot) if content else {}
    return judge(Placed, {"path": path, "content": content, **how}, spot, {}) if content else None


def _content(value: Any, spot: Spot) -> Content | None:
    match value:
        case {"_word": "file", "name": str(name)}:
            return ProjectFile(path=name)
        case {"_word": "folder", "name": str(name)}:
            return ProjectFolder(path=name)
        case {"_word": "artifact", "name": str(name)}:
            return ArtifactFile(name=name)
        case {"_word": "template", "name": str(name)}:
            named = spot.context.said["template", name].named
            tree = {"path": named.get("src"), "variables": open_value(named.get("vars", {}), spot)}
            return BuildText.model_validate(tree) if None not in tree.values() else None
    spot.wrong(f"must be file(), folder(), artifact(), template() or unpack(), not {told(value)}")
    return None
