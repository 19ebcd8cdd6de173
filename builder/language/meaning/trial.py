"""A variant tried as a site would bind it, with sample values: what passes here cannot fail there for its shape."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from builder.language.meaning.spot import SAMPLE_KEY, Context, Spot
from bundle_format.digest import digest_of
from bundle_format.errors import DefinitionError
from bundle_format.release.fields import Sealed
from bundle_format.release.late import names
from bundle_format.release.model import File, Image, Release, Scalar, Variant
from bundle_format.release.value import Fault, Path
from bundle_format.site.bind import bind_variant
from bundle_format.site.conflicts import address_conflicts
from bundle_format.site.sitefile import Site

_NOTHING: Final = digest_of(b"")
_IMAGE: Final = Image(tag="sample", config=_NOTHING, manifest=_NOTHING, layers=(), size=0)
_TOLD: Final = Fault("told already")
_LAYERS: Final = {"container", "schedule"}
"""Levels of a task's tree that its word does not have."""


def try_variant(
    trees: Mapping[str, Mapping[str, Any]], images: Iterable[str], chosen: Mapping[str, Scalar], context: Context
) -> None:
    """Tell every fault that binding the trees with sample values meets."""
    texts = {tree["file"] for tree in trees.get("template", {}).values() if "file" in tree}
    contents = {digest_of(name.encode()): name for name in sorted(_files(trees) | texts)}
    # Nothing here is checked twice: what has a bad name was told, and is tried all the same.
    variant = Variant.model_construct(when=dict(chosen), objects=trees)
    release = Release.model_construct(
        product=context.product,
        version="0",
        images=dict.fromkeys(images, _IMAGE),
        files={name: File(digest=digest, size=0) for digest, name in contents.items()},
    )
    open_values = {name: value for name, value in context.known.items() if not isinstance(value, Sealed)}
    secrets = {name: value.reveal() for name, value in context.known.items() if isinstance(value, Sealed)}
    deployment, faults = bind_variant(
        release,
        variant,
        Site(name="sample", choices=dict(chosen), parameters=open_values),
        secrets=secrets,
        key=SAMPLE_KEY,
        files=lambda file: _text(contents[file.digest], texts, context),
        locate=lambda path, message: _located(path, message, context),
    )
    addresses = (found for found in address_conflicts(deployment) if _is_decided(found[0], trees))
    faults += [_located(path, message, context) for path, message in addresses]
    judged = {fault.file for fault in context.faults} & texts  # what a template cannot know fails again when rendered
    context.faults.extend(fault for fault in faults if fault is not _TOLD and fault.file not in judged)


def _is_decided(path: Path, trees: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether an address and the networks are what every site has; samples of late ones conflict by chance."""
    kind, name, *_ = path
    networks = {} if kind == "network" else trees.get("network", {})
    return not names(trees[str(kind)][str(name)]) and not names(networks)


def _files(trees: Mapping[str, Mapping[str, Any]]) -> set[str]:
    tasks = (task["container"] for task in trees.get("task", {}).values())
    things = [*trees.get("container", {}).values(), *tasks, *trees.get("service", {}).values()]
    return {place["file"] for thing in things for place in thing.get("files", ()) if "file" in place}


def _text(name: str, texts: set[str], context: Context) -> bytes:
    if name not in texts:
        return b""  # placed as it is, so only its name counts
    try:
        return context.project.file(name).read_text(encoding="utf-8").encode()
    except (DefinitionError, UnicodeDecodeError):
        return b""  # told where it was named


def _located(path: Path, message: str, context: Context) -> Fault:
    """The fault where a person wrote what stands at `path` of the trees."""
    kind, name, *inner = path
    call = context.said.get((str(kind), str(name))) or context.said.get(("document", str(name)))
    if call is None:
        return Fault(f"{kind} {name!r}: {message}")
    spot = Spot(call, context)
    while inner and inner[0] in _LAYERS:
        del inner[0]
    told = context.faulty.get((call.word, call.name), set())
    if inner[0] in told if inner else told:
        return _TOLD
    trail = context.trails.get((call.word, call.name), {})
    way = next(((*trail[key], *inner[cut:]) for cut in (2, 1) if (key := tuple(inner[:cut])) in trail), tuple(inner))
    shown = ".".join(map(str, way))
    named = re.findall(r"as '([^']+)' (?:does|has)", message)
    others = [context.said.get((str(kind), other)) or context.said.get(("container", other)) for other in named]
    notes = [f"{other.name!r} is at {other.whereabouts}" for other in others if other]
    return spot.at(*way).made(f"{call.told}: {shown + ': ' if shown else ''}{message}", *notes)
