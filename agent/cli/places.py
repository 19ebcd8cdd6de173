"""Where the agent keeps what it knows, unless told otherwise."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

STATE = "/var/lib/floto"


def add_state_option(parser: ArgumentParser) -> None:
    """Let a person name the state folder."""
    default = os.environ.get("FLOTO_STATE") or STATE
    parser.add_argument(
        "--state", metavar="FOLDER", type=Path, default=Path(default), help=f"default: {default} (FLOTO_STATE)"
    )


def state_of(arguments: Namespace) -> Path:
    """The state folder as an absolute path."""
    state: Path = arguments.state
    return state.absolute()
