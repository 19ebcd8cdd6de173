"""`floto-builder resolve`: one variant of the release as it would lie in a bundle, or as a site would fill it in."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from builder.cli.definition.variant import add_variant_options, chosen_variant
from builder.language.evaluate import evaluate
from builder.project import Project
from builder.rehearsal.draft import draft
from builder.rehearsal.masked import KEY
from builder.rehearsal.origin import known_values
from bundle_format.errors import ExitCode
from bundle_format.release.late import substitute
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-builder resolve                             the first variant, with what only a site knows left open
  floto-builder resolve shop --choice ha=true
  floto-builder resolve --site sites/krakow.toml    filled in; secrets by their names
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("project", type=Path, nargs="?", default=Path(), help="folder of the definition; default: here")
    add_variant_options(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    evaluation = evaluate(arguments.project)
    variant, site = chosen_variant(arguments, draft(evaluation, Project(arguments.project)).release)
    objects = substitute(variant.objects, known_values(evaluation, site), KEY) if site else variant.objects
    terminal.json(
        {
            "product": evaluation.product,
            "version": evaluation.version,
            "when": variant.when,
            "images": {name: recipe.model_dump(mode="json") for name, recipe in sorted(evaluation.images.items())},
            "objects": objects,
        }
    )
    return ExitCode.DONE


VERB = Verb("resolve", "Print one variant of the release as JSON.", _configure, _run, EXAMPLES)
