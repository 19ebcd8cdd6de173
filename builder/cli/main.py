"""`floto-builder`: the table of its verbs, each loaded only when it is asked for."""

import sys

from bundle_format import __version__
from bundle_format.terminal import VerbTable, run_program

DESCRIPTION = "Makes one signed bundle of a product's definition and everything that it needs."

VERBS = VerbTable(
    "builder.cli",
    (
        "init",
        *(f"definition/{verb}" for verb in ("check", "resolve", "render", "explain", "editor", "fmt")),
        *("owners/keygen", "build", "lock", "owners/sign", "inspect", "verify", "owners/root", "owners/authorise"),
        *(f"bundles/{verb}" for verb in ("split", "join", "repair")),
    ),
)


def main() -> None:
    """Run the program on the process's own arguments and exit."""
    sys.exit(run_program("floto-builder", __version__, DESCRIPTION, VERBS, sys.argv[1:]))


if __name__ == "__main__":
    main()
