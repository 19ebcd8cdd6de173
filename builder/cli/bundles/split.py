"""`floto-builder split`: a bundle in parts, for sticks that are too small or cannot hold large files."""

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from bundle_format.countersign import read_unjudged
from bundle_format.errors import ExitCode
from bundle_format.shown.sizes import size_text
from bundle_format.split import FAT32, split
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-builder split shop-2024.1.floto --into /media/stick
  floto-builder split shop-2024.1.floto --size 650M --into /media/disc
sites need no joining: floto-agent apply /media/one /media/two
"""

_SIZE = re.compile(r"([1-9][0-9]{0,14})(?:([kMGT])(i?))?B?", re.IGNORECASE)


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path)
    parser.add_argument(
        "--size",
        metavar="SIZE",
        type=_size,
        default=FAT32,
        help="of a part at most: 650M (decimal), 4GiB (binary); default: 3840MiB (FAT32)",
    )
    parser.add_argument("--into", metavar="FOLDER", type=Path, help="one that is there; default: beside the bundle")
    parser.add_argument("--json", action="store_true", help="say it for a script")


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    bundle: Path = arguments.bundle
    read_unjudged(bundle)
    parts = split(bundle, arguments.into or bundle.parent, arguments.size, terminal.progress())
    sizes = {str(part): part.stat().st_size for part in parts}
    if arguments.json:
        terminal.json({"parts": [{"file": file, "size": size} for file, size in sizes.items()]})
    else:
        terminal.say("\n".join(f"{file}  {size_text(size)}" for file, size in sizes.items()))
    return ExitCode.DONE


def _size(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if not match:
        raise ArgumentTypeError(f"{text!r} is no size such as 650M or 4GiB")
    number, unit, binary = match.groups()
    base, exponent = 1024 if binary else 1000, " KMGT".index((unit or " ").upper())
    return int(number) * int(base**exponent)


VERB = Verb("split", "Cut a bundle into parts.", _configure, _run, EXAMPLES)
