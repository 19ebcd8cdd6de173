"""`floto-agent abort`: take back what was interrupted, however far it came and however often that was tried."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable

from agent.applying.journal import Course
from agent.applying.settle import way_of
from agent.cli.changes.carrying import settle_interlude, settle_now
from agent.cli.changes.stopping import stoppable
from agent.cli.places import add_state_option
from agent.cli.site import open_course, site_of
from agent.machines.actions import TakeSnapshot
from bundle_format.errors import ExitCode, FlotoError
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-agent abort
  floto-agent abort --yes
  floto-agent abort --revert db1     (its machine goes back to its snapshot of before the update)
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="agree beforehand")
    parser.add_argument(
        "--revert",
        action="append",
        default=[],
        metavar="HOST",
        help="set its machine back to the snapshot of before; what was written to its own disk since is lost",
    )
    add_state_option(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    site = site_of(arguments)
    with site.folder.held():
        course = open_course(site)
        if course is None:
            with stoppable() as stop:
                if not settle_interlude(site, terminal, stop):
                    terminal.say("nothing was interrupted")
            return ExitCode.DONE
        source = course.undertaking.source
        if way_of(course, back=True) == "finish":
            raise FlotoError(
                f"the {course.undertaking.operation} of {source.product} {source.version} is done, only what is left "
                "over was not tidied up; it cannot be taken back any more",
                "Tidy up: floto-agent resume    go back to the release before: floto-agent rollback",
            )
        _require_snapshots(course, arguments.revert)
        for host in arguments.revert:
            terminal.warn(f"{host}: ALL THAT WAS WRITTEN to its machine's own disk since the update began is lost")
        question = f"Take back the {course.undertaking.operation} of {source.product} {source.version}?"
        if not arguments.yes and not terminal.ask(question):
            terminal.warn("nothing was changed")
            return ExitCode.USAGE
        with stoppable() as stop:
            settle_now(site, arguments, terminal, stop, back=True, revert=arguments.revert)
    return ExitCode.DONE


def _require_snapshots(course: Course, hosts: Iterable[str]) -> None:
    steps = course.undertaking.plan.steps
    kept = {steps[number].action.host for number in course.did if isinstance(steps[number].action, TakeSnapshot)}
    if unknown := sorted(set(hosts) - kept):
        raise FlotoError(
            f"no snapshot was taken before the update on {', '.join(unknown)}; nothing was changed",
            f"There are some of: {', '.join(sorted(kept)) or 'no host'}",
        )


VERB = Verb("abort", "Take back what was interrupted.", _configure, _run, EXAMPLES)
