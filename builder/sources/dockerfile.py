"""Images built from a folder of the project with a Dockerfile, by whatever builder is at hand."""

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from builder.images.building import BuildOrder, Held, ImageBuilder
from builder.images.dockerfile import Bases, bases_of, with_bases
from builder.images.ignore import Ignore
from builder.language.evaluation import Build
from builder.layers.contents import entry_of
from builder.layers.layer import Entry, digest_of_entries, write_tar
from builder.project import Project
from bundle_format.errors import DefinitionError
from bundle_format.pieces import stream_of


@dataclass(frozen=True, slots=True)
class Context:
    """A build context with its arguments, read but not sent; `bases` are the images that it takes from."""

    recipe: Build
    entries: tuple[Entry, ...]
    text: str
    arguments: Mapping[str, str]
    bases: Bases

    def key(self, builder: str, ids: Mapping[str, str], epoch: int) -> dict[str, Any]:
        """All that decides what a build makes; `ids` name the bases by content."""
        return {
            "builder": builder,
            "context": digest_of_entries(self.entries),
            "dockerfile": self.recipe.dockerfile,
            "arguments": dict(self.arguments),
            "target": self.recipe.target,
            "bases": dict(ids),
            "network": self.recipe.network,
            "platform": self.recipe.platform,
            "epoch": epoch,
        }


def bases_in(project: Project, recipe: Build, arguments: Mapping[str, str]) -> Bases:
    """The images that a Dockerfile takes from, without looking at the rest of its context."""
    return bases_of(_dockerfile(project, recipe), arguments, recipe.target)


def read_context(project: Project, recipe: Build, placed: Iterable[Entry], arguments: Mapping[str, str]) -> Context:
    """The context of an image: its folder without what .dockerignore leaves out, and what is `placed` in it."""
    folder = project.folder(recipe.context)
    text = _dockerfile(project, recipe)
    ignore = Ignore(_ignore_lines(folder, recipe.dockerfile))
    always = {recipe.dockerfile, ".dockerignore", f"{recipe.dockerfile}.dockerignore"}
    members = project.members(recipe.context, lambda path: path not in always and ignore.leaves_out(path))
    entries = {entry.path: entry for entry in (*map(entry_of, members), *placed)}
    return Context(recipe, tuple(entries.values()), text, arguments, bases_of(text, arguments, recipe.target))


def build_image(
    context: Context, names: Mapping[str, str], epoch: int, builder: ImageBuilder, log: Callable[[str], None]
) -> Held:
    """Have an image built; `names` are those under which the engine has the bases that it is lent."""
    recipe, entries = context.recipe, list(context.entries)
    if names:
        text = with_bases(context.text, context.arguments, names).encode()
        entries = [_with_text(entry, text) if entry.path == recipe.dockerfile else entry for entry in entries]
    return builder.build(
        BuildOrder(
            context=stream_of(write_tar(entries, epoch)),
            dockerfile=recipe.dockerfile,
            arguments=context.arguments,
            target=recipe.target,
            network="host" if recipe.network else "none",
            platform=recipe.platform,
        ),
        log,
    )


def _dockerfile(project: Project, recipe: Build) -> str:
    return _text(project.file(str(PurePosixPath(recipe.context, recipe.dockerfile))))


def _with_text(entry: Entry, text: bytes) -> Entry:
    return replace(entry, size=len(text), open=lambda: io.BytesIO(text))


def _ignore_lines(folder: Path, dockerfile: str) -> list[str]:
    """A Dockerfile may have a .dockerignore of its own (BuildKit), which then counts alone."""
    for name in (f"{dockerfile}.dockerignore", ".dockerignore"):
        if (folder / name).is_file():
            return _text(folder / name).splitlines()
    return []


def _text(place: Path) -> str:
    try:
        return place.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DefinitionError(f"{place} is no UTF-8 text") from error
