"""What the builder makes: artifacts, images and machine images as recipes without late values."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from builder.language.evaluation import (
    ArtifactFile,
    Assemble,
    Build,
    Command,
    Content,
    Disk,
    Download,
    FromEngine,
    Maven,
    Packer,
    Placed,
    ProjectFile,
    Pull,
)
from builder.language.hearing import Call
from builder.language.meaning.binding import Reader, Readers, bind
from builder.language.meaning.recipes.contents import placed_files
from builder.language.meaning.recipes.ways import Way, read_way
from builder.language.meaning.scalars import is_result, items, open_value, result_of, text
from builder.language.meaning.spot import Spot
from builder.language.prelude.words import words
from builder.project import Project, check_path
from bundle_format.errors import DefinitionError
from bundle_format.release.fields import IMAGE_TAG
from bundle_format.release.value import Value

_COORDINATES = re.compile(r"([^:\s]+):([^:\s]+):([^:\s]+)")


def _inside(find: Callable[[Project, str], Path]) -> Reader:
    """A reader of a path that is there, inside the project."""

    def read(value: Any, spot: Spot) -> str | None:
        path = text(value, spot)
        try:
            if path is not None:
                find(spot.context.project, path)
        except DefinitionError as error:
            spot.fault(error.message)
            return None
        return path

    return read


def _layers(value: Any, spot: Spot) -> tuple[tuple[Placed, ...], ...]:
    if not isinstance(value, list):
        return (_absolute(value, spot),)
    return tuple(_absolute(layer, spot.at(number)) for number, layer in enumerate(value))


def _absolute(value: Any, spot: Spot) -> tuple[Placed, ...]:
    placed = placed_files(value, spot)
    for one in placed:
        if not one.path.startswith("/") or ".." in one.path.split("/"):
            spot.at(one.path).wrong("must be an absolute path without '..'")
    return placed


def _relative(value: Any, spot: Spot) -> tuple[Placed, ...]:
    placed = placed_files(value, spot)
    for one in placed:
        try:
            check_path(one.path)
        except DefinitionError as error:
            spot.at(one.path).fault(error.message)
    return placed


def _arguments(value: Any, spot: Spot) -> dict[str, str]:
    texts = [(name, member) for name, member in items(value, spot) if not is_result(member, "image")]
    return {name: open_value(member, spot.at(name)) for name, member in texts}


def _disk(value: Any, spot: Spot) -> Content | None:
    if isinstance(value, str):
        path = _inside(Project.file)(value, spot)
        return ProjectFile(path=path) if path else None
    if is_result(value, "file"):
        return ProjectFile(path=value["name"])
    name = result_of("artifact")(value, spot)
    return ArtifactFile(name=name) if name else None


def _tag(bound: Mapping[str, Any], version: str, spot: Spot) -> str:
    """What follows the colon of an image's name, in which engines take no `+`; a faulty version is told elsewhere."""
    said = text(bound.get("tag", version), spot.at("tag"))
    tag = "" if said is None else said.replace("+", "_")
    if "tag" in bound and said is not None and not IMAGE_TAG.fullmatch(tag):
        spot.at("tag").wrong(
            "must have up to 128 letters, digits, '_', '.', '+' and '-', and begin with a letter, digit or '_'"
        )
    return tag


def _open(*names: str, **renamed: str) -> Readers:
    return {name: (renamed.get(name, name), open_value) for name in (*names, *renamed)}


_IMAGE: Final[Mapping[str, Way]] = {
    "pull": Way("an image that is pulled", Pull, _open("platform", pull="reference")),
    "engine": Way("an image from an engine", FromEngine, _open("platform", engine="reference")),
    "build": Way(
        "an image that is built",
        Build,
        {
            **_open("dockerfile", "target", "network", "platform"),
            "build": ("context", _inside(Project.folder)),
            "args": ("arguments", _arguments),
            "files": ("files", _relative),
        },
    ),
    "": Way(
        "an image that is assembled",
        Assemble,
        {
            **_open("env", "labels", "entrypoint", "user", "workdir", "expose", "platform", cmd="command"),
            "base": ("base", result_of("image")),
            "files": ("layers", _layers),
        },
    ),
}
_ARTIFACT: Final[Mapping[str, Way]] = {
    "url": Way("a download", Download, _open("url", "sha256")),
    "build": Way(
        "an artifact that is built",
        Command,
        {
            **_open("output", "repository", "revision", "env", build="command"),
            "source": ("source", _inside(Project.folder)),
        },
    ),
    "": Way("an artifact of Maven", Maven, _open("type", "classifier", "transitive", "sha256")),
}
_MACHINE_IMAGE: Final[Mapping[str, Way]] = {
    "packer": Way(
        "a machine image that packer makes",
        Packer,
        {
            **_open("variables"),
            "packer": ("template", _inside(Project.file)),
            "files": ("files", _relative),
        },
    ),
    "disk": Way("a machine image that exists", Disk, {"disk": ("content", _disk)}),
}


def read_image(call: Call, spot: Spot, product: str, version: str) -> Value | None:
    """`image()` as its recipe; its tag on site is `PRODUCT/NAME:TAG`."""
    bound = bind(words()["image"], call.given, call.named, spot)
    if not bound.keys() & {"pull", "engine", "build", "base", "files"}:
        spot.fault("image() lacks 'pull', 'engine' or 'build', or 'base' and 'files' to assemble it")
        return None
    tag = _tag(bound, version, spot)
    bases = {
        name: base["name"]
        for name, base in (bound["args"].items() if isinstance(bound.get("args"), dict) else ())
        if is_result(base, "image")
    }
    fixed = {"tag": f"{product}/{call.name}:{tag}".lower()} | ({"bases": bases} if bases else {})
    return read_way("image", _IMAGE, bound, spot, fixed)


def read_artifact(call: Call, spot: Spot) -> Value | None:
    """`artifact()` as its recipe."""
    bound = bind(words()["artifact"], call.given, call.named, spot)
    fixed = {}
    if not bound.keys() & {"url", "build"}:
        found = _COORDINATES.fullmatch(call.name)
        if not found:
            spot.fault(f"artifact(): want 'group:artifact:version', got {call.name!r}")
            return None
        fixed = dict(zip(("group", "artifact", "version"), found.groups(), strict=True))
    if "build" in bound and not bound.keys() & {"source", "repository"}:
        spot.fault("artifact() lacks 'source' or 'repository' for an artifact that is built")
    return read_way("artifact", _ARTIFACT, bound, spot, fixed)


def read_machine_image(call: Call, spot: Spot) -> Value | None:
    """`machine_image()` as its recipe."""
    bound = bind(words()["machine_image"], call.given, call.named, spot)
    if not bound.keys() & {"packer", "disk"}:
        spot.fault("machine_image() lacks 'packer' or 'disk'")
        return None
    return read_way("machine_image", _MACHINE_IMAGE, bound, spot, {})


def file_of(name: str, named: Mapping[str, Any]) -> str:
    """What the file of an artifact is called."""
    for key in ("output", "url"):
        if isinstance(named.get(key), str):
            return str(named[key]).rstrip("/").rpartition("/")[2]
    _, _, file = name.partition(":")
    classifier = f"-{named['classifier']}" if named.get("classifier") else ""
    return f"{file.replace(':', '-')}{classifier}.{named.get('type', 'jar')}"
