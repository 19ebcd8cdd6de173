"""Where the builder keeps what it has gathered, unless it is told."""

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

VARIABLE = "FLOTO_STORE"


def add_store_option(parser: ArgumentParser) -> None:
    """Say where gathered blobs are kept."""
    parser.add_argument(
        "--store", metavar="FOLDER", type=Path, help=f"what was gathered before; default: ${VARIABLE} or {_usual()}"
    )


def store_of(arguments: Namespace) -> Path:
    """The folder of the store: of the option, the environment, or the user's cache."""
    told = arguments.store or os.environ.get(VARIABLE)
    return Path(told) if told else _usual()


def _usual() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "floto" / "store"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "floto"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "floto"
