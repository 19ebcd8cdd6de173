"""`floto-agent`: the table of its verbs, each loaded only when it is asked for."""

import sys

from bundle_format import __version__
from bundle_format.terminal import VerbTable, run_program

DESCRIPTION = "Brings a signed bundle to a site and keeps the site what it shall be; works without any internet."

VERBS = VerbTable(
    "agent.cli",
    (
        "trust",
        "bundles/verify",
        "bundles/inspect",
        "bundles/repair",
        "changes/preflight",
        "changes/plan",
        "changes/apply",
        "changes/resume",
        "changes/abort",
        "changes/rollback",
        "changes/redeploy",
        "export",
        "watching/status",
        "watching/logs",
        "watching/history",
        "watching/receipt",
        "care/start",
        "care/stop",
        "care/restart",
        "care/backup",
        "care/restore",
        "care/purge",
        "care/unit",
    ),
)


def main() -> None:
    """Run the program on the process's own arguments and exit."""
    sys.exit(run_program("floto-agent", __version__, DESCRIPTION, VERBS, sys.argv[1:]))


if __name__ == "__main__":
    main()
