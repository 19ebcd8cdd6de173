"""How verbs open a bundle: under the trust of the site, from whatever parts and copies there are."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from agent.cli.places import add_state_option, state_of
from agent.floor import FLOOR
from bundle_format.reader import Bundle, open_bundle
from bundle_format.terminal import Terminal
from bundle_format.trust.state import TrustFolder
from bundle_format.trust.trust import Trust


def add_bundle_options(parser: ArgumentParser) -> None:
    """Let a person name a bundle, where it is, and the site's state."""
    parser.add_argument("bundle", nargs="+", type=Path, help="the bundle, or all its parts in any order")
    parser.add_argument(
        "--also", action="append", default=[], type=Path, metavar="COPY", help="another copy, read where one is damaged"
    )
    add_state_option(parser)


def opened(arguments: Namespace, terminal: Terminal, *, salvage: bool = False) -> Bundle:
    """The bundle that the arguments name, judged by what the site believes."""
    return open_bundle(arguments.bundle, trusted(arguments, terminal), also=arguments.also, salvage=salvage)


def trusted(arguments: Namespace, terminal: Terminal) -> Trust:
    """What the site believes; copies of it that are not as they were written are told."""
    trust, warnings = TrustFolder(state_of(arguments), FLOOR).load()
    for warning in warnings:
        terminal.warn(f"warning: {warning}")
    return trust
