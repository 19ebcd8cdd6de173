"""`floto-builder lock`: pin what a project takes from outside, for review and for builds that must not drift."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from builder.cli.clock import now
from builder.cli.gathering import add_gathering_options, surroundings_of
from builder.gathering.outside import Outside
from builder.language.evaluate import evaluate
from builder.lock import FILE, Lock, LockedRelease, read_lock, write_lock
from builder.project import Project
from builder.resolve import lock_of, resolve
from builder.sources.git import commit_count
from builder.web.client import Patience
from builder.web.settings import read_settings
from bundle_format.errors import ExitCode
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-builder lock                          pin what is new, keep what is pinned
  floto-builder lock --upgrade nginx          what nginx:1.27 means today
  floto-builder lock --upgrade-all
  floto-builder build --locked --key keys/shop.key
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("project", nargs="?", type=Path, default=Path(), help="folder of site.star; default: this one")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--upgrade", metavar="NAME", action="append", help="an image or artifact to pin anew")
    what.add_argument("--upgrade-all", action="store_true", help="pin everything anew")
    parser.add_argument("--json", action="store_true", help="say what changed for a script")
    add_gathering_options(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    evaluation = evaluate(arguments.project)
    project = Project(arguments.project)
    old = read_lock(project.root) or Lock()
    surroundings = surroundings_of(arguments, project)
    with Outside(surroundings, read_settings(project), Patience()) as outside:
        known = Lock() if arguments.upgrade_all else old
        upgrade = arguments.upgrade or ()
        resolution = resolve(evaluation, surroundings, outside, terminal.progress(), lock=known, upgrade=upgrade)
    lock = lock_of(evaluation, resolution, surroundings)
    lock = lock.model_copy(update={"release": _release(old, evaluation.version, commit_count(project.root) or 1)})
    if lock != old:
        write_lock(project.root, lock)
    changes = old.differences(lock)
    if arguments.json:
        terminal.json({"lock": str(project.root / FILE), "changes": changes})
        return ExitCode.DONE
    release = lock.release
    assert release is not None
    terminal.say("\n".join([*changes, f"{project.root / FILE}: {release.version} is number {release.sequence}"]))
    return ExitCode.DONE


def _release(old: Lock, version: str, commits: int) -> LockedRelease:
    """The release that is locked already, or one dated now, with a number above all that sites may have taken."""
    if old.release and old.release.version == version:
        return old.release
    return LockedRelease(
        version=version, sequence=max(commits, old.release.sequence + 1 if old.release else 1), issued=now()
    )


VERB = Verb(
    "lock", "Pin what the project takes from outside, and the files that sites get.", _configure, _run, EXAMPLES
)
