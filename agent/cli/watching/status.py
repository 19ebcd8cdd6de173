"""`floto-agent status`: how the site is, beside what its release says."""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path

from agent.cli.machinery import hypervisors_of
from agent.cli.numbers import at_least
from agent.cli.places import add_state_option
from agent.cli.site import Site, engines_of, history_of, installed, open_interlude, owner_of, site_of, unfinished
from agent.history import Receipt, read_history
from agent.intent import Intent, from_store
from agent.observe import at_once, observe
from agent.planning.plan import make_plan
from agent.report.history import moment
from agent.report.prometheus import prometheus_lines
from agent.report.status import Status, status_json, status_of
from agent.report.status_text import status_lines
from agent.state import DiskUse
from agent.targets.engine import Engine
from bundle_format.durable import whole_file
from bundle_format.errors import ExitCode, FlotoError
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-agent status
  floto-agent status --json            (ends with 40 where the site is not as it shall be)
  floto-agent status --watch 5
  floto-agent status --prometheus /var/lib/node_exporter/floto.prom
"""


def _configure(parser: ArgumentParser) -> None:
    add_state_option(parser)
    parser.add_argument("--disk", action="store_true", help="measure the volumes, too; takes its time")
    parser.add_argument("--json", action="store_true", help="say it for a script")
    parser.add_argument(
        "--prometheus", type=Path, metavar="FILE", help="write it for node-exporter's textfile collector"
    )
    parser.add_argument("--watch", type=at_least(1), metavar="SECONDS", help="look again and again, until stopped")


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    site = site_of(arguments)
    history_of(site, terminal)
    while True:
        status = _status(site, installed(site), measure=arguments.disk)
        _tell(status, arguments, terminal)
        if not arguments.watch:
            return ExitCode.DONE if status.as_it_shall_be else ExitCode.DRIFT
        time.sleep(arguments.watch)


def _status(site: Site, receipt: Receipt, *, measure: bool) -> Status:
    undertaking = receipt.undertaking
    intent, untold = _intent(site, receipt)
    change = unfinished(site)
    if change:
        told, holder = f"{change.course.undertaking.operation} in phase {change.course.phase}", change.holder
    else:
        told, holder = open_interlude(site) or ("", "")
    owner = owner_of(undertaking.source)
    with (
        hypervisors_of(undertaking.hypervisors, owner, site, site.keeper(None)) as (hypervisors, mute),
        engines_of(undertaking.hosts, owner) as (engines, silent),
    ):
        state = observe(engines, silent, intent.deployment if intent else None, hypervisors, mute)
        disks = _disks(engines) if measure else {}
    if holder:
        return status_of(receipt, state, None, disks, under_way=f"{told}; {holder} holds the site")
    plan = make_plan(intent.deployment, state, read_history(site.folder)) if intent else None
    if change and change.course.left is not None:
        left = f"{told}, since {moment(change.course.left)}"
        return status_of(receipt, state, plan, disks, untold=untold, left=left)
    return status_of(receipt, state, plan, disks, untold=untold, interrupted=told)


def _intent(site: Site, receipt: Receipt) -> tuple[Intent | None, str]:
    """What the release wants, or why that cannot be told: a secret that only a person can type, a damaged store."""
    try:
        return from_store(receipt.undertaking.source, site.store, site.keeper(None)), ""
    except FlotoError as error:
        return None, f"{error.message} ({error.hint})" if error.hint else error.message


def _disks(engines: Mapping[str, Engine]) -> dict[str, DiskUse]:
    measured = at_once(_disk, engines.items())
    return {host: use for (host, _), use in measured if use is not None}


def _disk(named: tuple[str, Engine]) -> DiskUse | None:
    try:
        return named[1].disk()
    except FlotoError:
        return None


def _tell(status: Status, arguments: Namespace, terminal: Terminal) -> None:
    if arguments.prometheus:
        _write(arguments.prometheus, "\n".join(prometheus_lines(status)) + "\n")
    elif arguments.json:
        terminal.json(status_json(status))
    else:
        terminal.say("\n".join(status_lines(status, int(time.time()))) + ("\n" if arguments.watch else ""))


def _write(path: Path, text: str) -> None:
    """All at once, and for everybody to read: the collector may look at any moment, as another user."""
    with whole_file(path) as file:
        Path(file.name).chmod(0o644)
        file.write(text.encode())


VERB = Verb("status", "Tell how the site is, beside what its release says.", _configure, _run, EXAMPLES)
