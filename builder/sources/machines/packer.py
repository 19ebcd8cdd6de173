"""Machine images that packer makes from a template, HCL2 or JSON, in a copy of its folder."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from builder.layers.copies import copied
from builder.layers.layer import Entry
from builder.work.child import Child
from bundle_format.errors import DefinitionError
from bundle_format.progress import Task

_DISKS = (".ova", ".ovf", ".vmdk", ".qcow2", ".raw", ".img")
_BETTER = (".ova", ".ovf")
_ESCAPES = {"%!(PACKER_COMMA)": ",", "\\n": "\n", "\\r": ""}


@contextmanager
def packed_image(
    template: str,
    variables: Mapping[str, str],
    sources: Iterable[Entry],
    *,
    epoch: int,
    scratch: Path,
    env: Mapping[str, str],
    log: Callable[[str], None],
    task: Task,
) -> Iterator[Path]:
    """The disk that packer makes from `template` among copies of `sources`; it lives as long as the context.

    DefinitionError, with the end of what packer said, where the template is wrong or the build fails.
    """
    given = [f"-var={name}={value}" for name, value in sorted(variables.items())]
    with copied(sources, epoch, scratch) as folder:
        settled = {**env, "CHECKPOINT_DISABLE": "1", "PACKER_NO_COLOR": "1"}
        Child(folder, settled, log, task).run(["packer", "validate", *given, template], what=f"the check of {template}")
        heard = _Heard(log)
        try:
            command = ["packer", "-machine-readable", "build", "-color=false", *given, template]
            Child(folder, settled, heard.line, task).run(command, what=f"packer build {template}")
        except DefinitionError as error:
            raise DefinitionError(heard.failure(template) or error.message, error.hint) from error
        yield _disk(folder, heard.files, template)


class _Heard:
    """What packer says in its machine-readable form: `TIME,BUILDER,KIND,DATA...`."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._said: list[str] = []
        self._errors: list[str] = []
        self.files: list[str] = []

    def line(self, line: str) -> None:
        """Log what is meant for people, and note artifacts and errors."""
        match [_plain(part) for part in line.split(",")]:
            case [_, _, "ui", _, *text]:
                for said in ",".join(text).splitlines():
                    self._log(said)
                    self._said = [*self._said[-9:], said]
            case [_, _, "artifact", _, "file", _, name]:
                self.files.append(name)
            case [_, builder, "error", *text]:
                self._errors.append(f"{builder or 'packer'}: {','.join(text)}")

    def failure(self, template: str) -> str:
        """Why it failed, if packer told; with the last that it said."""
        if not self._errors:
            return ""
        lines = [f"packer could not make {template}:", *self._errors, *self._said]
        return "\n  ".join(dict.fromkeys(lines))


def _plain(part: str) -> str:
    return re.sub("|".join(map(re.escape, _ESCAPES)), lambda found: _ESCAPES[found[0]], part)


def _disk(folder: Path, files: Iterable[str], template: str) -> Path:
    """The only disk among the files that packer left; an OVA or OVF counts before the disks in it."""
    # Post-processors hand on the files of the build, which are then named again.
    places = list(dict.fromkeys((folder / name).resolve() for name in files))
    disks = [place for place in places if place.suffix.lower() in _DISKS and place.is_file()]
    # The qemu builder names its disk as the template says, with or without an ending.
    disks = disks or [place for place in places if place.is_file()]
    disks = [place for place in disks if place.suffix.lower() in _BETTER] or disks
    if len(disks) != 1 or not disks[0].is_relative_to(folder.resolve()):
        found = ", ".join(place.name for place in disks) or "none"
        raise DefinitionError(f"{template} must make one disk, and made: {found}", "One machine image has one build.")
    return disks[0]
