"""`floto-agent inspect`: what is in a bundle and who signed it; reads its first pages alone."""

import time
from argparse import ArgumentParser, Namespace

from agent.cli.bundles.opening import add_bundle_options, opened, place_of
from bundle_format.errors import ExitCode
from bundle_format.shown.bundles import bundle_json, bundle_lines
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-agent inspect /media/stick/shop-2024.1.floto
  floto-agent inspect /media/one /media/two               (its parts, wherever they are)
  floto-agent inspect shop-2024.1.floto --json
  floto-agent inspect shop-2024.1.floto --site-file > site.toml   (then fill in what stands empty)
"""


def _configure(parser: ArgumentParser) -> None:
    add_bundle_options(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="say it for a script")
    how.add_argument("--site-file", action="store_true", help="a site.toml for this release, to be filled in")


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    with opened(arguments, terminal) as bundle:
        if arguments.site_file:
            from bundle_format.site.form import site_form

            terminal.say(site_form(bundle.release).rstrip())
        elif arguments.json:
            terminal.json(bundle_json(bundle))
        else:
            terminal.say("\n".join(bundle_lines(place_of(arguments), bundle, int(time.time()))))
    return ExitCode.DONE


VERB = Verb("inspect", "Show what is in a bundle and who signed it.", _configure, _run, EXAMPLES)
