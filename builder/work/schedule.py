"""Work that depends on other work, on a bounded pool: each once, all errors told, called off when one fails."""

import threading
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from graphlib import CycleError, TopologicalSorter
from typing import Generic, TypeVar

from bundle_format.errors import DefinitionError, FlotoError
from bundle_format.progress import Progress, Task

Name = TypeVar("Name", bound=Hashable)


class CalledOff(BaseException):
    """Raised inside work whose outcome nobody waits for any more."""


class Schedule(Generic[Name]):
    """A graph of work; names of one lane are done by one thread, together with whatever else is ready for it."""

    def __init__(self, needs: Mapping[Name, Collection[Name]], lane: Callable[[Name], str | None]) -> None:
        """`needs` says what must be done before each; DefinitionError where that goes in a circle."""
        self._sorter = TopologicalSorter(needs)
        self._lane = lane
        self._waiting: dict[str, list[Name]] = {}
        self._under_way: dict[Future[None], tuple[str | None, Sequence[Name]]] = {}
        try:
            self._sorter.prepare()
        except CycleError as error:
            circle = " -> ".join(map(str, error.args[1]))
            raise DefinitionError(f"these depend on one another in a circle: {circle}") from error

    def run(self, work: Callable[[Sequence[Name]], None], threads: int, off: "Off") -> None:
        """Do all of it. What was under way when something failed is called off, and all errors are raised as one."""
        errors: list[FlotoError] = []
        with ThreadPoolExecutor(threads, thread_name_prefix="gather") as pool:
            try:
                self._start(pool, work)
                while self._under_way:
                    for future in wait(self._under_way, return_when=FIRST_COMPLETED).done:
                        errors.extend(self._finished(future))
                    if errors:
                        off.call_off()
                    else:
                        self._start(pool, work)
            except BaseException:
                off.call_off()
                raise
        if errors:
            raise _together(errors)

    def _start(self, pool: ThreadPoolExecutor, work: Callable[[Sequence[Name]], None]) -> None:
        for name in self._sorter.get_ready():
            lane = self._lane(name)
            if lane is None:
                self._under_way[pool.submit(work, [name])] = (None, [name])
            else:
                self._waiting.setdefault(lane, []).append(name)
        busy = {lane for lane, _ in self._under_way.values()}
        for lane in [lane for lane in self._waiting if lane not in busy]:
            names = self._waiting.pop(lane)
            self._under_way[pool.submit(work, names)] = (lane, names)

    def _finished(self, future: Future[None]) -> Iterator[FlotoError]:
        _, names = self._under_way.pop(future)
        try:
            future.result()
        except FlotoError as error:
            yield error
        except CalledOff:
            return
        else:
            self._sorter.done(*names)


class Off:
    """Whether the work was called off; work hears of it when it tells its progress."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def call_off(self) -> None:
        """Make everything under way end at its next step."""
        self._event.set()

    def check(self) -> None:
        """Raise CalledOff if it was."""
        if self._event.is_set():
            raise CalledOff

    def heard_by(self, progress: Progress) -> Progress:
        """`progress` for work that is to end when it is called off."""
        return _Heeding(progress, self)


class _Heeding:
    def __init__(self, progress: Progress, off: Off) -> None:
        self._progress = progress
        self._off = off

    @contextmanager
    def task(self, what: str, total: int | None = None) -> Iterator[Task]:
        self._off.check()
        with self._progress.task(what, total) as task:
            yield _HeedingTask(task, self._off)

    def note(self, line: str) -> None:
        self._off.check()
        self._progress.note(line)


class _HeedingTask:
    def __init__(self, task: Task, off: Off) -> None:
        self._task = task
        self._off = off

    def advance(self, amount: int) -> None:
        self._off.check()
        self._task.advance(amount)


def _together(errors: Sequence[FlotoError]) -> FlotoError:
    """One error that tells all of them, with the exit code of the first."""
    if len(errors) == 1:
        return errors[0]
    lines = [line for error in errors for line in (error.message, *([f"  {error.hint}"] if error.hint else ()))]
    told = FlotoError("\n".join([f"{len(errors)} things failed:", *lines]))
    told.exit_code = errors[0].exit_code
    return told
