"""What git knows of a folder: which files are no mere by-products, which commit they are, and when that was made."""

import subprocess
from collections.abc import Sequence
from pathlib import Path


def commit_time(folder: Path) -> int | None:
    """Seconds since 1970 UTC of the last commit that changed something in `folder`; None where git knows of none."""
    told = _ask(folder, "log", "-1", "--format=%ct", "--", ".")
    return int(told) if told else None


def _ask(folder: Path, *question: str) -> str | None:
    command: Sequence[str] = ["git", "-C", str(folder), *question]
    try:
        answer = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return None
    return answer.stdout.decode(errors="replace").strip() if answer.returncode == 0 else None
