"""Artifacts that a command makes from sources, in a copy of its own: what it sees is what is remembered."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath

from builder.language.evaluation import Command
from builder.layers.artifact import Artifact
from builder.layers.copies import copied
from builder.layers.layer import Entry
from builder.project import check_path
from builder.work.child import Child
from bundle_format.errors import DefinitionError
from bundle_format.progress import Task
from bundle_format.release.model import File
from bundle_format.store import Store


def make_artifact(
    recipe: Command,
    sources: Iterable[Entry],
    store: Store,
    *,
    env: Mapping[str, str],
    epoch: int,
    log: Callable[[str], None],
    task: Task,
) -> Artifact:
    """Run the command among copies of `sources`, all changed at `epoch`, and keep the file that it leaves.

    DefinitionError, with the end of its output, where it fails or leaves no such file.
    """
    check_path(recipe.output)
    with copied(sources, epoch) as folder:
        Child(folder, env, log, task).run(recipe.command)
        output = folder / recipe.output
        if not output.is_file() or not output.resolve().is_relative_to(folder.resolve()):
            raise DefinitionError(
                f"{' '.join(recipe.command)} succeeded, but left no file {recipe.output}",
                f"{PurePosixPath(recipe.source or '', recipe.output).parent} holds: {_listed(output.parent)}",
            )
        with output.open("rb") as stream:
            blob = store.add(stream)
    return Artifact({PurePosixPath(recipe.output).name: File(digest=blob.digest, size=blob.size)})


def _listed(folder: Path) -> str:
    names = sorted(place.name for place in folder.iterdir()) if folder.is_dir() else []
    return ", ".join(names[:20]) or "nothing"
