"""`floto-agent logs`: what containers, tasks and services have written, some or all of them."""

import re
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator, Mapping
from functools import partial

from agent.applying.means import Redactor
from agent.cli.numbers import at_least
from agent.cli.places import add_state_option
from agent.cli.site import engines_of, installed, owner_of, secrets_of, site_of
from agent.history import Placed, Undertaking
from agent.logs import Read, followed, matching, merged
from agent.targets.engine import Engine, LogLine, Swarm
from bundle_format.errors import ExitCode, FlotoError, TargetError
from bundle_format.terminal import Terminal, Verb, escape_line

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

EXAMPLES = """\
  floto-agent logs front
  floto-agent logs --tail 20                (all containers, in the order of time)
  floto-agent logs front database --follow
  floto-agent logs --since 2h --grep "ERROR|WARN"
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="containers, tasks and services; all if none is named")
    parser.add_argument("--follow", action="store_true", help="go on as lines come, until stopped")
    parser.add_argument("--since", type=_length, metavar="TIME", help="no older than: 90s, 10m, 2h, 3d")
    parser.add_argument("--tail", type=at_least(0), metavar="N", help="the last N lines of each")
    parser.add_argument("--grep", type=_pattern, metavar="PATTERN", help="only lines in which it is found")
    add_state_option(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    site = site_of(arguments)
    undertaking = installed(site).undertaking
    placed = {**undertaking.containers, **undertaking.tasks, **undertaking.services}
    chosen = _chosen(placed, arguments.names)
    redact = Redactor(secrets_of(site, undertaking.source))
    hosts = {one.host for one in chosen.values()}
    lost: list[FlotoError] = []

    def read(name: str) -> Iterator[LogLine]:
        try:
            yield from _read(_source(engines[chosen[name].host], name, undertaking), name, arguments)
        except FlotoError as error:
            if name in arguments.names or name not in undertaking.tasks:  # what a task ran in may have gone since
                lost.append(error)
            raise

    wanted = {name: host for name, host in undertaking.hosts.items() if name in hosts}
    with engines_of(wanted, owner_of(undertaking.source)) as (engines, silent):
        for why in silent.values():
            terminal.warn(f"warning: {why}")
        sources = {name: partial(read, name) for name, one in chosen.items() if one.host in engines}
        width = max(map(len, sources), default=0)
        for line in matching(_lines(sources, arguments), arguments.grep):
            head = f"{line.container:{width}} | " if len(sources) > 1 else ""
            terminal.say(f"{head}{escape_line(redact(line.text))}")
    if lost:
        raise lost[0]
    return ExitCode.DONE if not silent else TargetError.exit_code


def _lines(sources: Mapping[str, Read], arguments: Namespace) -> Iterator[LogLine]:
    return followed(sources) if arguments.follow else merged(sources)


def _source(engine: Engine, name: str, undertaking: Undertaking) -> Engine | Swarm:
    return engine.swarm if name in undertaking.services else engine


def _read(source: Engine | Swarm, name: str, arguments: Namespace) -> Iterator[LogLine]:
    since = int(time.time()) - arguments.since if arguments.since is not None else None
    return source.logs(name, follow=arguments.follow, since=since, tail=arguments.tail)


def _chosen(placed: Mapping[str, Placed], names: list[str]) -> dict[str, Placed]:
    unknown = sorted(set(names) - placed.keys())
    if unknown:
        raise FlotoError(
            f"the release has no container, task or service called {', '.join(unknown)}",
            f"It has: {', '.join(sorted(placed))}",
        )
    return {name: placed[name] for name in names or placed}


def _length(text: str) -> int:
    try:
        return at_least(0)(text[:-1]) * UNITS[text[-1:]]
    except (ArgumentTypeError, KeyError):
        raise ArgumentTypeError("a time such as 90s, 10m, 2h or 3d") from None


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ArgumentTypeError(f"no regular expression: {error}") from None


VERB = Verb("logs", "Show what containers, tasks and services have written.", _configure, _run, EXAMPLES)
