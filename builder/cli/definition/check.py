"""`floto-builder check`: whether a definition and the files of sites are sound, before anything is built."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from builder.language.diagnostics import FaultyDefinitionError
from builder.language.evaluate import evaluate
from builder.project import Project
from builder.rehearsal.draft import draft
from builder.rehearsal.masked import bind_draft
from bundle_format.errors import ExitCode, FlotoError
from bundle_format.release.late import as_text
from bundle_format.release.model import Release, Variant
from bundle_format.site.sitefile import FaultySiteError, load_site
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-builder check                                   the definition in this folder
  floto-builder check shop --site sites/krakow.toml     and whether a site's file fits it
  floto-builder check --json                            for continuous integration
"""

_COUNTED = ("host", "host_step", "container", "task", "service", "template", "document")


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("project", type=Path, nargs="?", default=Path(), help="folder of the definition; default: here")
    parser.add_argument("--site", metavar="FILE", type=Path, action="append", default=[], help="may be repeated")
    parser.add_argument("--json", action="store_true", help="say it for a script, faults too")


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    try:
        release, sites = _checked(arguments.project, arguments.site)
    except FlotoError as error:
        if not arguments.json:
            raise
        terminal.json({"sound": False, "faults": _faults(error), "hint": error.hint})
        return error.exit_code
    if arguments.json:
        variants = [{"when": variant.when, "objects": _counts(variant)} for variant in release.variants]
        named = {"product": release.product, "version": release.version}
        terminal.json({"sound": True, **named, "variants": variants, "sites": sites, "faults": []})
    else:
        terminal.say("\n".join(_told(release, sites)))
    return ExitCode.DONE


def _checked(folder: Path, files: Iterable[Path]) -> tuple[Release, dict[str, str]]:
    sketch = draft(evaluate(folder), Project(folder))
    sites = {}
    for file in files:
        sites[str(file)] = bind_draft(sketch, load_site(file, sketch.release), None).site
    return sketch.release, sites


def _faults(error: FlotoError) -> list[dict[str, Any]]:
    if isinstance(error, FaultyDefinitionError | FaultySiteError):
        return [asdict(fault) for fault in error.faults]
    return [{"message": error.message}]


def _counts(variant: Variant) -> dict[str, int]:
    return {kind: len(variant.objects[kind]) for kind in _COUNTED if kind in variant.objects}


def _told(release: Release, sites: dict[str, str]) -> list[str]:
    whens = [
        ", ".join(f"{name} = {as_text(option)}" for name, option in variant.when.items())
        for variant in release.variants
    ]
    width = max(map(len, whens))
    return [
        f"{release.product} {release.version} is sound",
        *(
            f"  {when:{width}}  "
            + ", ".join(
                f"{count} {kind.replace('_', ' ')}" + "s" * (count != 1) for kind, count in _counts(variant).items()
            )
            for when, variant in zip(whens, release.variants, strict=True)
        ),
        *(f"{file} fits it: site {name}" for file, name in sites.items()),
    ]


VERB = Verb("check", "Check a definition, its templates and the files of sites.", _configure, _run, EXAMPLES)
