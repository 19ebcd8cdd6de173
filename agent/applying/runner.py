"""Doing steps in an order that respects their needs, several at a time, each told to the journal before and after."""

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from agent.applying.journal import Began, Did, Failed, Journal
from agent.steps import Action, Step
from bundle_format.errors import FlotoError

Act = Callable[[Action], str]

WAKE_SECONDS = 0.25


class StepsFailedError(Exception):
    """Steps failed; what else was being done has ended, and what needed them was not begun."""

    def __init__(self, causes: Mapping[int, BaseException]) -> None:
        super().__init__("; ".join(map(str, causes.values())))
        self.causes = causes


def run_steps(
    steps: Mapping[int, Step],
    journal: Journal,
    act: Act,
    *,
    at_once: int,
    go_on: bool,
    skip: Callable[[int], bool],
    interrupted: Callable[[list[Action]], None],
) -> None:
    """Do `steps`, by their numbers, at most `at_once` of them together; those that `skip` names count as done.

    After a failure nothing new is begun, unless `go_on`: then only what needs the failed step is left out.
    StepsFailedError with all causes. On KeyboardInterrupt `interrupted` is told what is being done, whose end is waited
    for.
    """
    wanted = {number for number in steps if not skip(number)}
    waiting = {number: wanted & set(steps[number].needs) for number in steps if number in wanted}
    causes: dict[int, BaseException] = {}
    running: dict[Future[None], int] = {}
    with ThreadPoolExecutor(at_once, "step") as pool:
        try:
            while True:
                for number in _ready(waiting, causes, go_on=go_on)[: at_once - len(running)]:
                    del waiting[number]
                    running[pool.submit(_run, number, steps[number].action, journal, act)] = number
                if not running:
                    break
                # On Windows only what wakes now and then hears Ctrl-C.
                for future in wait(running, WAKE_SECONDS, FIRST_COMPLETED).done:
                    number = running.pop(future)
                    if cause := future.exception():
                        causes[number] = cause
                    else:
                        for needs in waiting.values():
                            needs.discard(number)
        except KeyboardInterrupt:
            interrupted([steps[number].action for number in running.values()])
            raise
    if causes:
        raise StepsFailedError(causes)


def told(cause: BaseException) -> str:
    """An exception as a reason for a person."""
    if isinstance(cause, KeyboardInterrupt):
        return "stopped, as you asked"
    return cause.message if isinstance(cause, FlotoError) else f"{type(cause).__name__}: {cause}"


def _ready(waiting: Mapping[int, set[int]], causes: Mapping[int, BaseException], *, go_on: bool) -> list[int]:
    if causes and not go_on:
        return []
    return [number for number, needs in waiting.items() if not needs]


def _run(number: int, action: Action, journal: Journal, act: Act) -> None:
    journal.write(Began(step=number))
    try:
        result = act(action)
    except Exception as error:
        journal.write(Failed(step=number, why=told(error)))
        raise
    journal.write(Did(step=number, result=result))
