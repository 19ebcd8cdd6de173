"""`floto-agent apply`: make the site what a bundle says, or leave it what it was."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from agent.cli.bundles.opening import add_bundle_options, opened
from agent.cli.changes.carrying import add_change_options, carry_out, settle_before
from agent.cli.changes.outlook import Outlook, outlook_of
from agent.cli.site import add_site_option, add_wish_options, admit, site_of, wishes_of
from agent.intent import from_bundle
from bundle_format.errors import ExitCode, FlotoError, PreflightError
from bundle_format.reader import Bundle
from bundle_format.terminal import Terminal, Verb

KEEP_PLAN = "Make one: floto-agent plan BUNDLE --out FILE"

EXAMPLES = """\
  floto-agent apply /media/stick/shop-2024.1.floto
  floto-agent apply shop-2024.1.floto --site krakow.toml --yes
  floto-agent apply shop-2024.1.floto --plan monday.plan    (refused if the site is not as it was then)
  floto-agent apply shop-2024.1.floto --window 2h --max-parallel 1
  floto-agent apply shop-2024.1.floto --adopt database --adopt products    (what ran by hand before)
"""


def _configure(parser: ArgumentParser) -> None:
    add_bundle_options(parser)
    add_site_option(parser)
    add_wish_options(parser)
    add_change_options(parser)
    parser.add_argument("--plan", type=Path, metavar="FILE", help="what `plan --out FILE` has kept")


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    site = site_of(arguments)
    with site.folder.held(), opened(arguments, terminal, asks=not arguments.yes) as bundle:
        settle_before(site, arguments, terminal)
        intent = from_bundle(bundle, arguments.site, site.store, site.keeper(terminal))
        notes = admit(site.trust.load()[0], bundle, intent.source.site)
        terminal.say(_verdict(bundle))
        for note in notes:
            terminal.say(f"note: {note}")
        with outlook_of(site, intent, wishes_of(arguments)) as outlook:
            outlook.tell(terminal)
            if arguments.plan:
                _hold_to(arguments.plan, outlook)
            site.learn(bundle)
            return carry_out(site, outlook, arguments, terminal)


def _verdict(bundle: Bundle) -> str:
    index = bundle.index
    signers = ", ".join(bundle.signers.names)
    return f"trusted: {index.product} {index.release}, number {index.sequence} of {index.channel}, signed by {signers}"


def _hold_to(path: Path, outlook: Outlook) -> None:
    """PreflightError when what would be done now is not what was planned then."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FlotoError(f"the plan {path} cannot be read: {error.strerror}", KEEP_PLAN) from error
    except ValueError as error:
        raise FlotoError(f"{path} is no plan: {error}", KEEP_PLAN) from error
    now = json.loads(json.dumps(outlook.to_json()))
    if not isinstance(kept, dict) or any(kept.get(key) != now[key] for key in ("release", "site", "site_file", "plan")):
        raise PreflightError(
            f"the site, its file or the release is not what {path} was made for; nothing was changed",
            "Look at the plan above; when it is right, keep it anew: floto-agent plan BUNDLE --out FILE",
        )


VERB = Verb("apply", "Make the site what a bundle says, or leave it what it was.", _configure, _run, EXAMPLES)
