"""Whom the builder believes when it looks at a finished bundle: the product's own root document."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from builder.cli.clock import now
from bundle_format.errors import DamageError, MissingError
from bundle_format.trust.documents import read_document
from bundle_format.trust.trust import Trust

VARIABLE = "FLOTO_ROOT"
USUAL = Path("keys/root-1.floto-root")


def add_root_option(parser: ArgumentParser) -> None:
    """Say which root document the bundle is judged by."""
    parser.add_argument(
        "--root", metavar="FILE", type=Path, help=f"the product's root document; default: ${VARIABLE} or {USUAL}"
    )


def trust_of(arguments: Namespace) -> Trust:
    """The trust in the keys of one root document; MissingError or DamageError where there is none to read."""
    path: Path = arguments.root or Path(os.environ.get(VARIABLE, USUAL))
    try:
        document = read_document(path.read_bytes())
    except OSError as error:
        raise MissingError(
            f"{path}: {error.strerror}", "Name the product's root document with --root: keygen has made it."
        ) from error
    except ValueError as error:
        raise DamageError(f"{path} is no root document: {error}") from error
    return Trust().enrol(document, clock=now())
