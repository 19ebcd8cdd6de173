"""What verbs that gather have in common: where things are kept, which engine is used, and what the lock demands."""

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from builder.gathering.surroundings import Surroundings
from builder.language.evaluation import Evaluation
from builder.lock import FILE, Lock, read_lock
from builder.project import Project
from builder.work.ledger import Ledger
from bundle_format.errors import DefinitionError
from bundle_format.store import Store

MADE = 946684800
"""2000-01-01T00:00:00Z: the time of everything that is made, so that what is not changed is the same in each release.

Zip files know no time before 1980, and a release's own date would make every layer new with every release.
"""

VARIABLE = "FLOTO_STORE"


def add_gathering_options(parser: ArgumentParser) -> None:
    """Say where gathered blobs are kept, and which engine is asked."""
    parser.add_argument("--engine", metavar="ADDRESS", help="docker engine to build with; default: $DOCKER_HOST")
    parser.add_argument(
        "--builder", choices=("buildkit", "engine"), help="of Dockerfiles; default: BuildKit where docker has it"
    )
    parser.add_argument(
        "--store", metavar="FOLDER", type=Path, help=f"what was gathered before; default: ${VARIABLE} or {_usual()}"
    )


def surroundings_of(arguments: Namespace, project: Project) -> Surroundings:
    """What the options and the environment say."""
    told = arguments.store or os.environ.get(VARIABLE)
    root = Path(told).absolute() if told else _usual()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DefinitionError(
            f"no store can be made at {root}: {error.strerror}", f"Name a folder by --store or ${VARIABLE}."
        ) from error
    return Surroundings(
        project=project,
        store=Store(root),
        ledger=Ledger(root / "ledger"),
        logs=root / "logs",
        engine=arguments.engine or os.environ.get("DOCKER_HOST"),
        env=os.environ,
        epoch=MADE,
        builder=arguments.builder,
    )


def locked(project: Project, *, needed: bool) -> Lock:
    """The project's lock; an empty one where it has none, DefinitionError where it is needed."""
    lock = read_lock(project.root)
    if lock is None and needed:
        raise DefinitionError(f"{project.root} has no {FILE}", "Write it, review it, commit it: floto-builder lock")
    return lock or Lock()


def check_locked(lock: Lock, evaluation: Evaluation, found: Lock) -> None:
    """DefinitionError, naming every difference, unless all is as the lock says."""
    differences = lock.differences(found)
    if lock.release is None or lock.release.version != evaluation.version:
        pinned = lock.release.version if lock.release else "not locked"
        differences.insert(0, f"release: {pinned} -> {evaluation.version}")
    if differences:
        raise DefinitionError(
            "\n".join([f"not as {FILE} says:", *(f"  {difference}" for difference in differences)]),
            "If it is meant: floto-builder lock, then review and commit it.",
        )


def _usual() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "floto" / "store"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "floto"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "floto"
