"""`floto-agent rollback`: go back to a release that ran here before; needs no stick."""

from argparse import ArgumentParser, Namespace

from agent.cli.changes.carrying import add_change_options, carry_out, settle_before
from agent.cli.changes.outlook import outlook_of
from agent.cli.places import add_state_option
from agent.cli.site import Site, add_wish_options, installed, site_of, wishes_of
from agent.history import Receipt, read_history
from agent.intent import from_store
from bundle_format.errors import ExitCode, FlotoError, LockedError, MissingError
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-agent rollback             (to the release before this one)
  floto-agent rollback 2024.1
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("release", nargs="?", help="its version; the release before this one if none is named")
    add_state_option(parser)
    add_wish_options(parser)
    add_change_options(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    site = site_of(arguments)
    with site.folder.held():
        settle_before(site, arguments, terminal)
        target = _target(site, arguments.release)
        intent = from_store(target.undertaking.source, site.store, site.keeper(terminal))
        restore = read_history(site.folder).backups_since(target)
        if restore and arguments.only:
            raise FlotoError(
                f"volume {', '.join(backup.volume for backup in restore)} would be set back under containers that "
                "--only leaves as they are; nothing was changed",
                "Go back as a whole, without --only.",
            )
        for backup in restore:
            terminal.warn(
                f"warning: volume {backup.volume} on {backup.host} is set back to its backup; "
                "what was written since then is kept as a backup and no longer in use"
            )
        with outlook_of(site, intent, wishes_of(arguments, restore=restore)) as outlook:
            outlook.tell(terminal)
            return carry_out(site, outlook, arguments, terminal, "rollback")


def _target(site: Site, version: str | None) -> Receipt:
    installed(site)
    history = read_history(site.folder)
    target = history.of_version(version) if version else history.previous
    if damaged := history.damaged_since(target):
        raise LockedError(
            f"a receipt is damaged that may tell of what ran or of volumes to set back: {damaged}; nothing was changed",
            "Bring it back from a copy. If there is none, move it away: what it tells of then stays as it is.",
        )
    if target is None:
        known = dict.fromkeys(receipt.undertaking.source.version for receipt in history.receipts if receipt.installed)
        raise MissingError(
            f"release {version} never ran on this site" if version else "no other release ran on this site before",
            f"It ran: {', '.join(known)}",
        )
    if target.undertaking.source.release not in site.store:
        raise MissingError(
            f"release {target.undertaking.source.version} is no longer in the site's store, which keeps two",
            "Apply its bundle, for which the makers have to give leave: floto-builder authorise",
        )
    return target


VERB = Verb("rollback", "Go back to a release that ran here before, without its stick.", _configure, _run, EXAMPLES)
