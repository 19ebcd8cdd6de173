"""The files of a definition: the entry and all that it loads, found before anything runs, none outside the project."""

import re
from collections.abc import Iterator
from dataclasses import replace

from builder.language.text.source import Load, Source, Sources, read_source
from builder.project import Project
from bundle_format.errors import DefinitionError
from bundle_format.release.value import Fault, FaultyError

ENTRY = "site.star"
MAX_FILES = 1000
MAX_FILE_SIZE = 4 << 20

_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_LABEL = re.compile(rf"//(?:{_NAME}/)*{_NAME}\.star")


def load_sources(project: Project) -> tuple[Sources, list[Fault]]:
    """The entry and everything that it loads, by path in their order, and what is wrong with those left out.

    DefinitionError where there is no entry.
    """
    project.file(ENTRY)
    reading = _Reading(project)
    reading.read(ENTRY, Fault("", ENTRY))
    return dict(sorted(reading.sources.items())), reading.faults


class _Reading:
    def __init__(self, project: Project) -> None:
        self.sources: dict[str, Source] = {}
        self.faults: list[Fault] = []
        self._project = project
        self._open: list[str] = []
        self._seen: set[str] = set()

    def read(self, path: str, asked: Fault) -> None:
        if path in self._open:
            circle = " -> ".join([*self._open[self._open.index(path) :], path])
            self._tell(f"load cycle: {circle}", asked)
        if path in self._seen:
            return
        self._seen.add(path)
        try:
            source = read_source(path, self._content(path))
        except FaultyError as error:
            self.faults.extend(error.faults)
        except DefinitionError as error:
            self._tell(error.message, asked)
        else:
            self.sources[path] = source
            self._open.append(path)
            for load in source.loads():
                self._follow(load, source)
            self._open.pop()

    def _follow(self, load: Load, source: Source) -> None:
        asked = Fault("", source.path, load.span.line, load.span.column, load.span.end)
        if _LABEL.fullmatch(load.label):
            self.read(load.label[2:], asked)
        else:
            self._tell(f"load label must look like '//dir/file.star', got {load.label!r}", asked)

    def _content(self, path: str) -> bytes:
        if len(self._seen) > MAX_FILES:
            raise DefinitionError(f"a definition may consist of {MAX_FILES} files")
        place = self._project.file(path)
        with place.open("rb") as stream:
            content = stream.read(MAX_FILE_SIZE + 1)
        if len(content) > MAX_FILE_SIZE:
            raise DefinitionError(f"{path}: a definition's file may have {MAX_FILE_SIZE >> 20} MiB")
        return content

    def _tell(self, message: str, asked: Fault) -> None:
        self.faults.append(replace(asked, message=message))


def load_order(sources: Sources) -> Iterator[Source]:
    """The files, each after those that it loads."""
    done: set[str] = set()

    def visit(path: str) -> Iterator[Source]:
        if path in done:
            return
        done.add(path)
        for load in sources[path].loads():
            yield from visit(load.label[2:])
        yield sources[path]

    yield from visit(ENTRY)
