"""What git knows of a folder: which files are no mere by-products, which commit they are, and when that was made."""

import subprocess
from collections.abc import Sequence
from pathlib import Path


def commit_time(folder: Path) -> int | None:
    """Seconds since 1970 UTC of the last commit that changed something in `folder`; None where git knows of none."""
    told = _ask(folder, "log", "-1", "--format=%ct", "--", ".")
    return int(told) if told else None


def commit_count(folder: Path) -> int | None:
    """How many commits have changed something in `folder`; None where git cannot tell: there is none, or not all.

    Every later commit counts at least one more, whatever was merged.
    """
    if _ask(folder, "rev-parse", "--is-shallow-repository") != "false":
        return None
    told = _ask(folder, "rev-list", "--count", "--full-history", "HEAD", "--", ".")
    return int(told) or None if told else None


def uncommitted(folder: Path) -> bool:
    """Whether a file in `folder` that git keeps is not as it was committed."""
    return bool(_ask(folder, "diff", "--name-only", "HEAD", "--", "."))


def _ask(folder: Path, *question: str) -> str | None:
    command: Sequence[str] = ["git", "-C", str(folder), *question]
    try:
        answer = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return None
    return answer.stdout.decode(errors="replace").strip() if answer.returncode == 0 else None
