"""`floto-agent plan`: what an apply would do to the site and why; changes nothing."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from agent.cli.bundles.opening import add_bundle_options, files_of, opened
from agent.cli.changes.outlook import notes_on_unfinished, outlook_of
from agent.cli.site import add_site_option, add_wish_options, admit, site_of, wishes_of
from agent.intent import from_bundle
from bundle_format.durable import check_place, whole_file
from bundle_format.errors import ExitCode
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-agent plan /media/stick/shop-2024.1.floto
  floto-agent plan shop-2024.1.floto --site krakow.toml --only front
  floto-agent plan shop-2024.1.floto --out monday.plan    (then: floto-agent apply shop-2024.1.floto --plan monday.plan)
"""


def _configure(parser: ArgumentParser) -> None:
    add_bundle_options(parser)
    add_site_option(parser)
    add_wish_options(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="keep the plan, so that apply is held to it")
    parser.add_argument("--json", action="store_true", help="say it for a script")
    parser.add_argument("--detailed-exitcode", action="store_true", help="end with 40 where there is something to do")


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    site = site_of(arguments)
    if arguments.out:
        check_place(arguments.out, [arguments.site, *files_of(arguments)])
    with opened(arguments, terminal) as bundle:
        intent = from_bundle(bundle, arguments.site, site.store, site.keeper(terminal))
        notes = (*notes_on_unfinished(site), *admit(site.trust.load()[0], bundle, intent.source.site))
        with outlook_of(site, intent, wishes_of(arguments)) as outlook:
            if arguments.json:
                terminal.json({**outlook.to_json(), "notes": list(notes)})
            else:
                for note in notes:
                    terminal.say(f"note: {note}")
                outlook.tell(terminal)
            if arguments.out:
                with whole_file(arguments.out) as stream:
                    stream.write(json.dumps(outlook.to_json(), indent=2).encode() + b"\n")
            outlook.require_free_way()
    return ExitCode.DRIFT if arguments.detailed_exitcode and outlook.plan.steps else ExitCode.DONE


VERB = Verb("plan", "Show what an apply would do to the site and why.", _configure, _run, EXAMPLES)
