"""`floto-agent preflight`: whether the site can take a bundle now; every fault at once, nothing changed."""

from argparse import ArgumentParser, Namespace

from agent.cli.bundles.opening import add_bundle_options, opened
from agent.cli.changes.outlook import notes_on_unfinished, outlook_of
from agent.cli.site import add_site_option, add_wish_options, admit, site_of, wishes_of
from agent.intent import from_bundle
from agent.report.plan import finding_lines
from bundle_format.errors import ExitCode
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-agent preflight /media/stick/shop-2024.1.floto
  floto-agent preflight shop-2024.1.floto --site krakow.toml --json
"""


def _configure(parser: ArgumentParser) -> None:
    add_bundle_options(parser)
    add_site_option(parser)
    add_wish_options(parser)
    parser.add_argument("--json", action="store_true", help="say it for a script")


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    site = site_of(arguments)
    with opened(arguments, terminal) as bundle:
        intent = from_bundle(bundle, arguments.site, site.store, site.keeper(terminal))
        notes = (*notes_on_unfinished(site), *admit(site.trust.load()[0], bundle, intent.source.site))
        with outlook_of(site, intent, wishes_of(arguments)) as outlook:
            findings = outlook.findings
            if arguments.json:
                terminal.json(
                    {
                        "obstacles": [obstacle.model_dump(mode="json") for obstacle in findings.obstacles],
                        "warnings": list(findings.warnings),
                        "notes": list(notes),
                    }
                )
            else:
                ready = () if findings.obstacles else ("ready",)
                terminal.say("\n".join([*(f"note: {note}" for note in notes), *finding_lines(findings), *ready]))
            outlook.require_free_way()
    return ExitCode.DONE


VERB = Verb("preflight", "Tell whether the site can take a bundle now.", _configure, _run, EXAMPLES)
