"""What stands still because a person asked for it, noted beforehand: where the agent is killed meanwhile, the next one
starts it again, and a volume that was half written gets back what it held.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from agent.applying.means import Means
from agent.applying.runner import told
from bundle_format.canonical import canonical
from bundle_format.digest import Digest
from bundle_format.durable import sync_folder
from bundle_format.errors import FlotoError, LockedError, NeedsPersonError
from bundle_format.release.value import Value
from bundle_format.trust.private import read_private, replace_private

Place = tuple[str, str]
"""A host, and a container on it."""


class Overwritten(Value):
    """A volume that is being written, and the blob in the site's store that has what it held."""

    host: str
    volume: str
    before: Digest


class Interlude(Value):
    """What a verb stops for as long as it lasts, and what it is writing meanwhile."""

    verb: str
    stopped: tuple[Place, ...]
    overwritten: Overwritten | None = None

    def __str__(self) -> str:
        names = ", ".join(name for _, name in self.stopped) or "nothing"
        return f"{self.verb}, for which {names} was stopped"


def noted(path: Path) -> Interlude | None:
    """The interlude that has not ended; LockedError when its note cannot be read."""
    try:
        return Interlude.model_validate_json(read_private(path))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise LockedError(
            f"the note {path} of what was stopped for a while is damaged",
            "Put it aside; then look at the volumes, and start what does not run: floto-agent start",
        ) from error


@contextmanager
def interlude(path: Path, means: Means, verb: str, running: Sequence[Place]) -> Iterator[None]:
    """Stop `running` in this block: it is started again at its end, whatever happens, unless a volume is half written.

    What is stopped is noted at `path` until all of it was started.
    """
    _note(path, Interlude(verb=verb, stopped=tuple(running)))
    try:
        yield
    except BaseException:  # a person's Ctrl-C, too
        for fault in _start_again(path, means):
            means.progress.note(told(fault))
        raise
    if faults := _start_again(path, means):
        raise faults[0]


@contextmanager
def overwriting(path: Path, overwritten: Overwritten, means: Means) -> Iterator[None]:
    """Write a volume in an interlude: if that ends early, by Ctrl-C too, the volume gets back what it held.

    NeedsPersonError where it does not get it back.
    """
    found = noted(path)
    assert found is not None
    try:
        _note(path, found.model_copy(update={"overwritten": overwritten}))
        yield
    except BaseException as cause:
        means.stop.disregard()
        _give_back(path, overwritten, means, f"{told(cause)}\n")
        _note(path, found)
        raise
    _note(path, found)


def end_interlude(path: Path, means: Means) -> None:
    """End what a killed agent has left: a half written volume gets back what it held, and what ran before is started.

    NeedsPersonError where the volume does not get it back.
    """
    found = noted(path)
    if found is None:
        return
    if found.overwritten:
        _give_back(path, found.overwritten, means)
        _note(path, found.model_copy(update={"overwritten": None}))
    for fault in _start_again(path, means):
        means.progress.note(told(fault))
    _forget(path)


def _start_again(path: Path, means: Means) -> list[FlotoError]:
    """Start what was stopped, and let nothing cut that short; the faults of those that stay."""
    means.stop.disregard()
    found = noted(path)
    if found is None or found.overwritten:
        return []  # nobody shall work on half of the data
    faults = []
    for host, name in found.stopped:
        try:
            means.engine(host).start(name)
        except FlotoError as error:
            faults.append(error)
    if not faults:
        _forget(path)
    return faults


def _give_back(path: Path, overwritten: Overwritten, means: Means, why: str = "") -> None:
    try:
        with means.store.blob(overwritten.before) as blob, means.progress.task(f"giving back {overwritten.volume}"):
            means.engine(overwritten.host).write_volume(overwritten.volume, blob.raw())
    except FlotoError as error:
        raise NeedsPersonError(
            f"{why}{told(error)}\nvolume {overwritten.volume} on {overwritten.host} is half restored, and its users "
            f"stay stopped; the site's store has what it held before as {overwritten.before}",
            f"Mend the cause, then: floto-agent resume    If the host is gone for good: put {path} aside.",
        ) from error


def _note(path: Path, interlude: Interlude) -> None:
    replace_private(path, canonical(interlude.model_dump(mode="json")))


def _forget(path: Path) -> None:
    path.unlink(missing_ok=True)
    sync_folder(path.parent)
