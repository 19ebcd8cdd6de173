"""How verbs open a bundle: under the trust of the site, from whatever parts and copies there are, or from a pipe."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from agent.cli.places import add_state_option, state_of
from agent.floor import FLOOR
from bundle_format.errors import FlotoError
from bundle_format.layout.parts import find
from bundle_format.reader import Bundle, open_bundle, open_pipe
from bundle_format.terminal import Terminal
from bundle_format.trust.state import TrustFolder
from bundle_format.trust.trust import Trust

PIPE = Path("-")


def add_bundle_options(parser: ArgumentParser, *, needed: bool = True) -> None:
    """Let a person name a bundle, where it is, and the site's state."""
    parser.add_argument(
        "bundle",
        nargs="+" if needed else "*",
        type=Path,
        help="the bundle, its parts in any order, folders with them, or - for a pipe",
    )
    parser.add_argument(
        "--also", action="append", default=[], type=Path, metavar="COPY", help="another copy, or a repair from home"
    )
    add_state_option(parser)


def opened(arguments: Namespace, terminal: Terminal, *, salvage: bool = False, asks: bool = False) -> Bundle:
    """The bundle that the arguments name, judged by what the site believes; `asks`: a person will have to answer."""
    if PIPE not in arguments.bundle:
        return open_bundle(arguments.bundle, trusted(arguments, terminal), also=arguments.also, salvage=salvage)
    if len(arguments.bundle) > 1 or sys.stdin.isatty():
        raise FlotoError(
            "a pipe brings one whole bundle, and nothing else is named", "Like this: cat PARTS | floto-agent verify -"
        )
    if asks:
        raise FlotoError("nobody can be asked while the bundle comes through the pipe", "Agree beforehand with --yes.")
    return open_pipe(sys.stdin.buffer, trusted(arguments, terminal), also=arguments.also)


def place_of(arguments: Namespace) -> str:
    """Where the arguments say that the bundle is."""
    return "the pipe" if PIPE in arguments.bundle else ", ".join(map(str, arguments.bundle))


def files_of(arguments: Namespace) -> tuple[Path, ...]:
    """The files that are read for the bundle that the arguments name."""
    named = [] if PIPE in arguments.bundle else [arguments.bundle]
    return tuple(file for places in (*named, *([copy] for copy in arguments.also)) for file in find(places).files)


def trusted(arguments: Namespace, terminal: Terminal) -> Trust:
    """What the site believes; copies of it that are not as they were written are told."""
    trust, warnings = TrustFolder(state_of(arguments), FLOOR).load()
    for warning in warnings:
        terminal.warn(f"warning: {warning}")
    return trust
