"""Templates and documents: texts that are rendered on site, tried while building."""

from typing import Any, Final

from builder.language.hearing import Call
from builder.language.meaning.binding import Readers, bind, read_fields
from builder.language.meaning.scalars import facts, mode, owner_number, text, told
from builder.language.meaning.spot import Spot
from builder.language.prelude.words import words
from bundle_format.errors import DefinitionError
from bundle_format.release.templates import template_faults

_TEXT: Final[Readers] = {
    "src": ("file", text),
    "vars": ("vars", facts),
    "mode": ("mode", mode),
    "uid": ("uid", owner_number),
    "gid": ("gid", owner_number),
}


def read_text(call: Call, spot: Spot) -> dict[str, Any]:
    """`template()` or `document()` as the tree of a Template; a name that the text uses and `vars` lack is a fault."""
    fields = read_fields(_TEXT, bind(words()[call.word], call.given, call.named, spot), spot)
    tree: dict[str, Any] = {name: fields[name] for name in ("file", "vars") if name in fields}
    declared = tree.get("vars", {})
    if not isinstance(declared, dict):
        spot.at("vars").wrong(f"must be a dictionary, not {told(declared)}")
    elif "file" in tree:
        _judge_text(tree["file"], declared, spot)
    return tree


def _judge_text(file: str, declared: dict[str, Any], spot: Spot) -> None:
    try:
        source = spot.context.project.file(file).read_text(encoding="utf-8")
    except DefinitionError as error:
        spot.at("src").fault(error.message)
    except UnicodeDecodeError:
        spot.at("src").fault(f"{file}: the template is not UTF-8 text")
    else:
        spot.context.faults.extend(template_faults(file, source, declared))
