"""Plain files of the project that a release carries: mounted files and the texts of templates."""

from builder.project import Project
from bundle_format.release.model import File
from bundle_format.store import Store


def keep_file(project: Project, path: str, store: Store) -> File:
    """Bring the project's file `path` into the store; DefinitionError where it is none, or lies outside."""
    with project.file(path).open("rb") as stream:
        blob = store.add(stream)
    return File(digest=blob.digest, size=blob.size)
