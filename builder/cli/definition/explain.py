"""`floto-builder explain`: where a value of the release comes from."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path

from builder.cli.definition.variant import add_variant_options, chosen_variant
from builder.language.evaluate import evaluate
from builder.language.evaluation import Evaluation, Place
from builder.project import Project
from builder.rehearsal.draft import draft
from builder.rehearsal.origin import Giver, Origin, explain, uses
from bundle_format.errors import ExitCode
from bundle_format.release.late import as_text
from bundle_format.release.model import Variant
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-builder explain container/front/env/URL --site site.toml
  floto-builder explain container/front/files/etc/nginx.conf      through its template
  floto-builder explain container/front                           everything of a container
  floto-builder explain params/domain                             who uses a parameter
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="KIND/NAME/FIELD/..., or params/NAME")
    parser.add_argument("--project", metavar="DIR", type=Path, default=Path(), help="folder of the definition")
    parser.add_argument("--json", action="store_true", help="say it for a script")
    add_variant_options(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    evaluation = evaluate(arguments.project)
    variant, site = chosen_variant(arguments, draft(evaluation, Project(arguments.project)).release)
    kind, _, name = arguments.path.partition("/")
    if kind == "params":
        _say_uses(name, evaluation, variant, arguments.json, terminal)
        return ExitCode.DONE
    origin = explain(arguments.path, evaluation, variant, site)
    if arguments.json:
        terminal.json(_as_json(origin))
    else:
        terminal.say("\n".join(_told(origin)))
    return ExitCode.DONE


def _say_uses(name: str, evaluation: Evaluation, variant: Variant, as_json: bool, terminal: Terminal) -> None:
    found = ["/".join(map(str, path)) for path in uses(name, evaluation, variant)]
    if as_json:
        terminal.json({"parameter": name, "uses": found})
    else:
        terminal.say("\n".join(found) or f"this variant does not use {name}")


def _as_json(origin: Origin) -> dict[str, object]:
    return {
        "path": list(origin.path),
        "value": origin.value,
        "place": origin.place.model_dump(mode="json") if origin.place else None,
        "template": origin.template or None,
        "parameters": [
            {"name": giver.name, "value": giver.value, "given": giver.given, "declared": _place(giver.declared)}
            for giver in origin.givers
        ],
    }


def _told(origin: Origin) -> Iterator[str]:
    yield "/".join(map(str, origin.path))
    value = origin.value if isinstance(origin.value, str) else json.dumps(origin.value, indent=2, ensure_ascii=False)
    yield "  is    " + value.replace("\n", "\n        ")
    if origin.place:
        yield f"  from  {_place(origin.place)}"
        yield from (f"        {caller}" for caller in origin.place.callers)
    if origin.template:
        yield f"  text  {origin.template}"
    yield from (f"  with  {_told_giver(giver)}" for giver in origin.givers)


def _told_giver(giver: Giver) -> str:
    declared = f", declared at {_place(giver.declared)}" if giver.declared else ""
    return f"{giver.name} = {as_text(giver.value)} ({giver.parameter.type}), from {giver.given}{declared}"


def _place(place: Place | None) -> str:
    return f"{place.path}:{place.line}:{place.column}" if place else ""


VERB = Verb("explain", "Tell where a value comes from.", _configure, _run, EXAMPLES)
