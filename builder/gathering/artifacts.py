"""Artifacts that a command makes: made, or remembered from the last time that they were made from the same."""

import posixpath
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from builder.gathering.surroundings import Surroundings
from builder.language.evaluation import Command
from builder.layers.artifact import Artifact, artifact_from_json
from builder.layers.contents import entry_of
from builder.layers.layer import Entry, digest_of_entries
from builder.project import Project
from builder.sources.command import make_artifact
from builder.sources.git import checked_out, own_files
from builder.work.child import settled_environment
from bundle_format.errors import DefinitionError
from bundle_format.progress import Progress, Task
from bundle_format.shown.sizes import size_text


def gather_made(
    name: str, recipe: Command, commit: str | None, surroundings: Surroundings, progress: Progress
) -> Artifact:
    """Bring an artifact that a command makes into the store; `commit` is that of the other repository it is made in."""
    key: dict[str, Any] = {
        "command": list(recipe.command),
        "output": recipe.output,
        "sources": commit or digest_of_entries(_sources(surroundings.project, recipe.source or ".")),
        "env": recipe.env,
        "epoch": surroundings.epoch,
    }
    known = surroundings.ledger.recall("command", key)
    if known is not None and (artifact := artifact_from_json(known)).in_store(surroundings.store):
        progress.note(f"artifact {name}: {size_text(artifact.size)}, reused")
        return artifact
    with progress.task(f"making artifact {name}") as task, surroundings.log(f"artifact {name}", task) as log:
        env = settled_environment(surroundings.env, surroundings.epoch, recipe.env)
        try:
            with _entries(recipe, commit, env, surroundings, task) as entries:
                artifact = make_artifact(
                    recipe, entries, surroundings.store, env=env, epoch=surroundings.epoch, log=log, task=task
                )
        except DefinitionError as error:
            raise DefinitionError(f"artifact {name}: {error.message}", error.hint) from error
    surroundings.ledger.remember("command", key, value=artifact.to_json())
    progress.note(f"artifact {name}: {size_text(artifact.size)}, made")
    return artifact


@contextmanager
def _entries(
    recipe: Command, commit: str | None, env: Mapping[str, str], surroundings: Surroundings, task: Task
) -> Iterator[list[Entry]]:
    if not commit:
        yield _sources(surroundings.project, recipe.source or ".")
        return
    assert recipe.repository
    with checked_out(recipe.repository, commit, env, surroundings.project.root, task) as place:
        yield [entry for entry in _sources(Project(place), ".") if entry.path.split("/")[0] != ".git"]


def _sources(project: Project, folder: str) -> list[Entry]:
    """The files of a folder without what git ignores, such as what an earlier build has left there."""
    own = own_files(project.folder(folder))
    if own is None:
        return [entry_of(member) for member in project.members(folder)]
    kept = {*own, *(parent for path in own for parent in _parents(path))}
    return [entry_of(member) for member in project.members(folder, lambda path: path not in kept)]


def _parents(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path
