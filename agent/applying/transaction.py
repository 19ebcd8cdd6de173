"""One apply, phase by phase, from its first journal record to its receipt (APPLY)."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from agent.applying.finish import receipt_of, tidy
from agent.applying.health import check_service_still_well, check_still_well
from agent.applying.journal import Closed, Entered, Failed, Journal, Left, Retreated
from agent.applying.machines import set_machine_back
from agent.applying.means import Means
from agent.applying.ready import Readying, make_ready
from agent.applying.retreat import retreat
from agent.applying.runner import StepsFailedError, run_steps, told
from agent.applying.switch import ONCE, switch
from agent.folder import Folder
from agent.history import Outcome, Receipt, Source, keep_receipt
from agent.machines.actions import TakeSnapshot
from agent.steps import Action, Create, Phase, Replace, Restart, RunTask, Start, Step, Update
from agent.swarm.actions import CreateService, UpdateService
from bundle_format.errors import FlotoError, LockedError, NeedsPersonError, PreflightError, RolledBackError
from bundle_format.release.deployment import Deployment

STABLE_SECONDS = 3
"""How long everything together must stay well before the change counts as done."""

WAYS_OUT = "Forward: floto-agent resume    back: floto-agent abort"
"""What a person may do about a change that was left as it is."""

Remember = Callable[[Source], None]
"""Makes the site's trust remember that a bundle runs here."""


@dataclass(frozen=True, slots=True)
class Conduct:
    """How an apply goes about it: steps together at most, and until when (Unix seconds) the switch must be over."""

    at_once: int = 4
    until: float | None = None


class Transaction:
    """The open journal of an undertaking with all that is needed to bring it to an end."""

    def __init__(self, journal: Journal, means: Means, folder: Folder, conduct: Conduct, remember: Remember) -> None:
        self._journal = journal
        self._means = means
        self._folder = folder
        self._conduct = conduct
        self._remember = remember
        self._undertaking = journal.course.undertaking
        self._deployment: Deployment | None = None

    def go(self, deployment: Deployment, stage: Callable[[], None]) -> Receipt:
        """All phases; RolledBackError when it failed and was taken back, NeedsPersonError when a person must look."""
        self._deployment = deployment
        try:
            self._enter(Phase.STAGE)
            stage()
            for phase in (Phase.LOAD, Phase.PREPARE):
                self._enter(phase)
                self._run(phase, self._make_ready)
            self._check_window()
            self._enter(Phase.SWITCH)
            self._switch()
        except (Exception, KeyboardInterrupt) as error:
            self._fail(error)
            raise
        return self.finish()

    def go_on(self) -> Receipt:
        """The switch again from its beginning, after an interruption; errors as with `go`."""
        try:
            self._switch()
        except (Exception, KeyboardInterrupt) as error:
            self._fail(error)
            raise
        return self.finish()

    def give_up(self, revert: Collection[str] = ()) -> Receipt:
        """Take everything back; NeedsPersonError when that fails.

        `revert`: hosts whose machines a person wants set back to their snapshots before.
        """
        self._means.stop.disregard()
        self._note(Retreated())
        for step in self._undertaking.plan.steps:
            if isinstance(step.action, TakeSnapshot) and step.action.host in revert:
                set_machine_back(step.action, self._means)
        retreat(self._journal, self._means)
        receipt = self._receipt("taken back")
        keep_receipt(self._folder, receipt)
        self._journal.write(Closed(outcome=receipt.outcome))
        return receipt

    def finish(self) -> Receipt:
        """Commit and tidy; what fails in tidying is left to the next apply."""
        self._means.stop.disregard()
        self._enter(Phase.COMMIT)
        receipt = self._receipt("done" if self._journal.course.complete else "partly done")
        keep_receipt(self._folder, receipt)
        self._remember(self._undertaking.source)
        self._enter(Phase.TIDY)
        try:
            tidy(self._folder, self._undertaking, self._means)
        except FlotoError as error:
            self._means.progress.note(f"not tidied up yet, which harms nothing: {error.message}")
            return receipt
        self._journal.write(Closed(outcome=receipt.outcome))
        return receipt

    def _switch(self) -> None:
        try:
            self._run(Phase.SWITCH, self._do_switch)
        except StepsFailedError as error:
            if self._undertaking.on_failure != "continue":
                raise
            retreat(self._journal, self._means, only=error.causes.keys())
        self._enter(Phase.GATE)
        self._gate()
        self._means.stop.disregard()

    def _run(self, phase: Phase, act: Callable[[Action], str]) -> None:
        did = self._journal.course.did
        steps = dict(self._steps(phase))
        run_steps(
            steps,
            self._journal,
            act,
            at_once=self._conduct.at_once,
            go_on=self._undertaking.on_failure == "continue" and phase is Phase.SWITCH,
            skip=lambda number: number in did and (steps[number].late or isinstance(steps[number].action, ONCE)),
            interrupted=self._hurry,
        )

    def _hurry(self, actions: Iterable[Action]) -> None:
        """Somebody asked to stop: say what is waited for, and let no task run on that will be taken back."""
        self._means.progress.note("stopping as soon as what is being done has ended")
        for action in actions:
            if isinstance(action, RunTask) and self._undertaking.on_failure != "stop":
                with suppress(FlotoError):
                    self._means.engine(action.host).stop(action.task, action.grace)

    def _gate(self) -> None:
        """See that all that was started or changed in place stays well together."""
        means, did = self._means, self._journal.course.did
        started = [
            (step.action.host, step.action.container)
            for number, step in self._steps(Phase.SWITCH)
            if number in did and isinstance(step.action, Create | Replace | Start | Restart | Update)
        ]
        restarts = {
            (host, name): check_still_well(means.engine(host), name, None, means.redact) for host, name in started
        }
        services = [
            (step.action.host, step.action.service)
            for number, step in self._steps(Phase.SWITCH)
            if number in did and isinstance(step.action, CreateService | UpdateService)
        ]
        if started or services:
            means.pause(STABLE_SECONDS)
        for host, name in started:
            check_still_well(means.engine(host), name, restarts[host, name], means.redact)
        for host, name in services:
            check_service_still_well(means.engine(host), name)

    def _fail(self, error: BaseException) -> None:
        """Act on a failure as the undertaking says; returns where the failure itself shall reach the person."""
        self._means.stop.disregard()
        causes = list(error.causes.values()) if isinstance(error, StepsFailedError) else [error]
        if not isinstance(error, StepsFailedError):
            self._note(Failed(step=None, why=told(error)))
        why = "\n".join(dict.fromkeys(map(told, causes)))
        phase = self._journal.course.phase
        if self._undertaking.on_failure == "stop" and phase in (Phase.SWITCH, Phase.GATE):
            self._note(Left(at=int(self._means.clock.time())))
            raise NeedsPersonError(
                f"{why}\nstopped there, as you asked: what is done stays, nothing was taken back", WAYS_OUT
            ) from error
        if phase is not Phase.STAGE:
            self._means.progress.note(f"{why.partition(chr(10))[0]}; taking back what was begun")
        self.give_up()
        for cause in causes:
            if not isinstance(cause, FlotoError | KeyboardInterrupt | OSError):
                return
        if phase is Phase.STAGE:
            return  # nothing was done yet: a damaged bundle keeps its own exit code
        untouched = phase in (Phase.LOAD, Phase.PREPARE)
        what = "nothing that runs was touched" if untouched else "what ran before runs again"
        raise RolledBackError(f"{why}\ntaken back: {what}", _hint(causes)) from error

    def _check_window(self) -> None:
        until = self._conduct.until
        needed = sum(step.seconds for _, step in self._steps(Phase.SWITCH))
        if until is not None and self._means.clock.time() + needed > until:
            raise PreflightError(
                f"the window is too short for the switch, which takes about {needed} s",
                "Images are loaded by now: apply again in the next window, it will take less time.",
            )

    def _make_ready(self, action: Action) -> str:
        assert isinstance(action, Readying) and self._deployment is not None
        return make_ready(action, self._means, self._deployment)

    def _do_switch(self, action: Action) -> str:
        if isinstance(action, Readying):
            return self._make_ready(action)
        return switch(action, self._means)

    def _steps(self, phase: Phase) -> Iterator[tuple[int, Step]]:
        steps = enumerate(self._undertaking.plan.steps)
        return ((number, step) for number, step in steps if step.phase is phase)

    def _enter(self, phase: Phase) -> None:
        self._journal.write(Entered(phase=phase, at=int(self._means.clock.time())))

    def _note(self, record: Failed | Left | Retreated) -> None:
        # A full disk must not keep anybody from taking back what was done: the retreat looks for itself.
        with suppress(LockedError):
            self._journal.write(record)

    def _receipt(self, outcome: Outcome) -> Receipt:
        return receipt_of(self._journal.course, outcome, int(self._means.clock.time()))


def _hint(causes: list[BaseException]) -> str:
    return next((cause.hint for cause in causes if isinstance(cause, FlotoError) and cause.hint), "")
