"""What verbs share that change a site: settling what was interrupted, agreeing, carrying out, telling the outcome."""

import secrets
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from agent.applying.apply import apply, undertaking_of
from agent.applying.means import Machinery, Means, Redactor, Stop
from agent.applying.settle import settle
from agent.applying.transaction import Conduct, Remember
from agent.cli.changes.outlook import Outlook
from agent.cli.changes.stopping import WallClock, stoppable
from agent.cli.machinery import hypervisors_of, machinery_of, used
from agent.cli.numbers import at_least
from agent.cli.site import Site, Unfinished, engines_of, installed, open_course, owner_of, secrets_of
from agent.history import Operation, Receipt, Undertaking, read_history
from agent.interlude import end_interlude, noted
from agent.steps import is_of_machine
from agent.targets.engine import Engine
from bundle_format import __version__
from bundle_format.errors import ExitCode, NeedsPersonError, PreflightError, RolledBackError
from bundle_format.terminal import Terminal


def add_change_options(parser: ArgumentParser) -> None:
    """Let a person say how a change goes about."""
    parser.add_argument("--yes", action="store_true", help="agree to the plan beforehand")
    parser.add_argument(
        "--on-failure",
        choices=("rollback", "stop", "continue"),
        default="rollback",
        help="take all back (default), stop for a person, or go on with what does not need what failed",
    )
    parser.add_argument(
        "--max-parallel",
        type=at_least(1),
        default=4,
        metavar="N",
        help="steps together at most (default 4; 1: one by one)",
    )
    parser.add_argument("--window", type=_length, metavar="TIME", help="be done with the switch by then: 90m, 2h")


def settle_before(site: Site, arguments: Namespace, terminal: Terminal) -> None:
    """End what an interrupted agent has left, so that something new can begin; NeedsPersonError when it cannot.

    PreflightError where a change was left so on purpose: only `resume` and `abort` end it. LockedError where a damaged
    receipt may be of what runs. KeyboardInterrupt, after that, where a person asked meanwhile to stop.
    """
    require_not_left(site)
    with stoppable() as stop:
        settle_interlude(site, terminal, stop)
        try:
            settle_now(site, arguments, terminal, stop, telling="ending it first")
        except RolledBackError as error:
            terminal.warn(error.message)
            if not stop.heard:
                terminal.warn("going on with what you asked for now")
        if stop.heard:
            raise KeyboardInterrupt
    read_history(site.folder).require_known()


def require_not_left(site: Site) -> None:
    """PreflightError when a change was left for a person, who has to go on with it first."""
    course = open_course(site)
    if course and course.left is not None:
        change = Unfinished(course, holder="")
        raise PreflightError(f"{change}; nothing is changed before that has ended", change.remedy)


def settle_interlude(site: Site, terminal: Terminal, stop: Stop) -> bool:
    """End what stood still when an agent was killed, and say so; whether there was any. Errors as `end_interlude`."""
    found = noted(site.folder.interlude)
    if found is None:
        return False
    terminal.warn(f"interrupted: {found}; ending it first")
    undertaking = installed(site).undertaking
    with engines_of(undertaking.hosts, owner_of(undertaking.source), undertaking.adopted) as (engines, _):
        means = means_of(site, terminal, stop, undertaking, engines, machinery=None)
        end_interlude(site.folder.interlude, means)
    back = f"volume {found.overwritten.volume} holds what it held before, and " if found.overwritten else ""
    terminal.warn(f"{back}what ran before was started")
    return True


def settle_now(
    site: Site,
    arguments: Namespace,
    terminal: Terminal,
    stop: Stop,
    *,
    telling: str = "",
    back: bool = False,
    revert: Collection[str] = (),
) -> Receipt | None:
    """End what an interrupted agent has left, and say how; None where there was nothing.

    `telling` is what to say that is done now, `revert` as for `settle`.
    """
    course = open_course(site)
    if course is None:
        return None
    told = _told(course.undertaking)
    if telling:
        how = "was interrupted" if course.left is None else "was left for a person"
        terminal.warn(f"{told} {how} in phase {course.phase}; {telling}")

    @contextmanager
    def equip(undertaking: Undertaking) -> Iterator[Means]:
        owner = owner_of(undertaking.source)
        on_machines = any(is_of_machine(step.action) for step in undertaking.plan.steps)
        accesses = undertaking.hypervisors if on_machines else {}
        with (
            hypervisors_of(accesses, owner, site, site.keeper(terminal)) as (hypervisors, _),
            engines_of(undertaking.reached, owner, undertaking.adopted) as (engines, _),
        ):
            machinery = machinery_of(hypervisors, undertaking.reached, owner, site, undertaking.adopted)
            yield means_of(site, terminal, stop, undertaking, engines, machinery=machinery if on_machines else None)

    remember = _remember(site, course.undertaking)
    receipt = settle(site.folder, equip, _conduct(arguments), remember, back=back, revert=revert)
    if receipt:
        end = "taken back: what ran before runs" if receipt.outcome == "taken back" else "brought to its end"
        terminal.warn(f"{told} was {end}")
    return receipt


def means_of(
    site: Site,
    terminal: Terminal,
    stop: Stop,
    undertaking: Undertaking,
    engines: dict[str, Engine],
    *,
    machinery: Machinery | None,
) -> Means:
    """What anything is done with that goes on from an undertaking which was set out before."""
    return Means(
        transaction=undertaking.transaction,
        engines=engines,
        store=site.store,
        clock=WallClock(stop),
        progress=terminal.progress(),
        redact=Redactor(secrets_of(site, undertaking.source)),
        outputs=site.folder.tasks,
        stop=stop,
        machinery=machinery,
    )


def carry_out(
    site: Site, outlook: Outlook, arguments: Namespace, terminal: Terminal, operation: Operation = "apply"
) -> ExitCode:
    """Do what the outlook plans, once the person agrees; errors as for `Transaction.go`."""
    outlook.require_free_way()
    if _is_current(outlook):
        return ExitCode.DONE
    if outlook.plan.steps and not arguments.yes and not terminal.ask("Do this?"):
        terminal.warn("nothing was changed")
        return ExitCode.USAGE
    with stoppable() as stop:
        means = Means(
            transaction=_new_transaction(outlook),
            engines=outlook.engines,
            store=site.store,
            clock=WallClock(stop),
            progress=terminal.progress(),
            redact=Redactor(outlook.intent.secrets),
            outputs=site.folder.tasks,
            stop=stop,
            machinery=machinery_of(
                outlook.hypervisors,
                outlook.intent.deployment.hosts,
                owner_of(outlook.intent.source),
                site,
                outlook.view.adopted,
            )
            if outlook.hypervisors
            else None,
        )
        receipt = _apply(site, outlook, arguments, means, operation)
    terminal.say("\n".join(_outcome(receipt)))
    if receipt.outcome == "partly done":
        raise NeedsPersonError(
            "not everything succeeded; what failed was taken back, the rest is done:\n  "
            + "\n  ".join(receipt.reasons),
            "Mend the cause and apply again: it does what is left.",
        )
    return ExitCode.DONE


def _apply(site: Site, outlook: Outlook, arguments: Namespace, means: Means, operation: Operation) -> Receipt:
    intent, current = outlook.intent, outlook.history.current
    undertaking = undertaking_of(
        intent.deployment,
        intent.source,
        outlook.plan,
        number=outlook.history.next_number,
        transaction=means.transaction,
        operation=operation,
        agent=__version__,
        begun=int(means.clock.time()),
        on_failure=arguments.on_failure,
        only=tuple(sorted(getattr(arguments, "only", ()))),
        adopted=outlook.view.adopted,
        before=current.undertaking.hosts if current else {},
        hypervisors=used(intent.hypervisors, intent.deployment.hosts.values()),
    )
    return apply(
        undertaking,
        intent.deployment,
        site.folder,
        means,
        conduct=_conduct(arguments),
        remember=_remember(site, undertaking),
        stage=lambda: intent.stage(means.progress),
    )


def _new_transaction(outlook: Outlook) -> str:
    return f"{outlook.history.next_number:06d}-{secrets.token_hex(4)}"


def _is_current(outlook: Outlook) -> bool:
    """Whether the site runs this very release already, nothing is to be done for it and its store lacks nothing."""
    current = outlook.history.current
    same = current is not None and current.undertaking.source == outlook.intent.source
    adopted = outlook.view.adopted == outlook.history.adopted
    return same and adopted and not outlook.plan.steps and not outlook.intent.missing


def _remember(site: Site, undertaking: Undertaking) -> Remember:
    """Only what a bundle brought moves the sequence on; going back to what ran here must stay possible."""
    return site.remember if undertaking.operation == "apply" else site.go_back


def _conduct(arguments: Namespace) -> Conduct:
    window = getattr(arguments, "window", None)
    return Conduct(
        at_once=getattr(arguments, "max_parallel", 4), until=time.time() + window if window is not None else None
    )


def _told(undertaking: Undertaking) -> str:
    return f"{undertaking.operation} of {undertaking.source.product} {undertaking.source.version}"


def _outcome(receipt: Receipt) -> Iterator[str]:
    undertaking = receipt.undertaking
    source = undertaking.source
    alone = f", {' and '.join(undertaking.only)} alone" if undertaking.only else ""
    yield f"{source.product} {source.version} runs on site {source.site}: {receipt.outcome}{alone}"
    yield f"receipt {undertaking.number}, took {receipt.ended - undertaking.begun} s"


def _length(text: str) -> int:
    units = {"s": 1, "m": 60, "h": 3600}
    try:
        return int(text[:-1]) * units[text[-1]] if text[-1:] in units else int(text)
    except ValueError:
        raise ArgumentTypeError("a time such as 90m or 2h") from None
