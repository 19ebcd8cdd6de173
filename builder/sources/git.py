"""What git knows: which files of a folder are no by-products, which commit they are, and other repositories' files."""

import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from builder.work.child import Child
from bundle_format.errors import DefinitionError
from bundle_format.progress import Task

_COMMIT = re.compile(r"[0-9a-f]{40}")


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


def revision(folder: Path) -> str | None:
    """The commit that `folder` is at, with `-dirty` behind it where something in it was changed since; or None."""
    commit = _ask(folder, "rev-parse", "HEAD")
    changed = _ask(folder, "status", "--porcelain", "--", ".")
    return f"{commit}-dirty" if commit and changed else commit


def own_files(folder: Path) -> frozenset[str] | None:
    """The files of a folder that git keeps or would keep, with slashes; None where git knows nothing of it."""
    told = _ask(folder, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    return frozenset(filter(None, told.split("\0"))) if told else None


def commit_of(repository: str, wanted: str, folder: Path, env: Mapping[str, str]) -> str:
    """The commit that a branch or tag of another repository is at now; DefinitionError where there is none."""
    if _COMMIT.fullmatch(wanted):
        return wanted
    answer = subprocess.run(
        ["git", "ls-remote", "--exit-code", repository, wanted, f"{wanted}^{{}}"],
        cwd=folder,
        env={**env, "GIT_TERMINAL_PROMPT": "0"},
        capture_output=True,
        check=False,
    )
    lines = answer.stdout.decode(errors="replace").splitlines()
    if answer.returncode or not lines:
        said = answer.stderr.decode(errors="replace").strip() or "no such branch or tag"
        raise DefinitionError(f"{repository} at {wanted}: {said}", "Is the address right, and may you read it?")
    # An annotated tag is followed by the commit that it names.
    return lines[-1].split("\t")[0]


@contextmanager
def checked_out(repository: str, commit: str, child: Mapping[str, str], folder: Path, task: Task) -> Iterator[Path]:
    """The files of a commit of another repository in a folder that lives as long as the context."""
    with tempfile.TemporaryDirectory(prefix="floto-git-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        git = Child(folder, {**child, "GIT_TERMINAL_PROMPT": "0"}, lambda _: None, task)
        git.run(["git", "init", "-q", str(place)])
        try:
            git.run(["git", "-C", str(place), "fetch", "-q", "--depth=1", repository, commit])
        except DefinitionError:
            # Not every server hands out a commit by its name alone.
            git.run(["git", "-C", str(place), "fetch", "-q", repository, "+refs/*:refs/remotes/all/*"])
        git.run(["git", "-C", str(place), "checkout", "-q", "--detach", commit])
        yield place


def _ask(folder: Path, *question: str) -> str | None:
    try:
        answer = subprocess.run(["git", "-C", str(folder), *question], capture_output=True, check=False)
    except OSError:
        return None
    return answer.stdout.decode(errors="surrogateescape").strip() if answer.returncode == 0 else None
