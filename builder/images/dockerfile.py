"""What a Dockerfile says about other images: which it builds on, and how to give them other names."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bundle_format.errors import DefinitionError

_HEREDOC = re.compile(r"<<-?\s*([\"']?)(\w+)\1")
_ESCAPE = re.compile(r"#\s*escape\s*=\s*(\S)\s*", re.IGNORECASE)
_DIRECTIVE = re.compile(r"#\s*\w+\s*=.*")
_FROM_FLAG = re.compile(r"--from=(\S+)|--mount=\S*?\bfrom=([^,\s]+)")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})")


@dataclass(frozen=True, slots=True)
class Bases:
    """The images outside a Dockerfile that it takes from, and that on which its last wanted stage stands, if any."""

    images: tuple[str, ...]
    root: str | None


@dataclass(frozen=True, slots=True)
class _Instruction:
    """One instruction: its lines, counted from 0, and its text without continuations."""

    word: str
    text: str
    first: int
    last: int


def bases_of(dockerfile: str, arguments: Mapping[str, str], target: str | None) -> Bases:
    """Follow a Dockerfile's stages up to `target` (None: the last one); DefinitionError where it has no stage."""
    known: dict[str, str] = {}
    stages: dict[str, str | None] = {}
    images: list[str] = []
    root: str | None = None
    for instruction in _instructions(dockerfile):
        if instruction.word == "ARG" and not stages:
            known |= _declared(instruction.text, known, arguments)
        elif instruction.word == "FROM":
            if target is not None and target.lower() in stages:
                break
            reference, name = _from(instruction.text, known)
            root = stages.get(reference.lower(), None if reference == "scratch" else reference)
            if reference.lower() not in stages and root:
                images.append(root)
            stages[str(len(stages))] = stages[name or str(len(stages))] = root
        elif stages:
            taken = (first or second for first, second in _FROM_FLAG.findall(instruction.text))
            images.extend(image for image in taken if image.lower() not in stages and image != "scratch")
    if not stages or (target is not None and target.lower() not in stages):
        raise DefinitionError(f"the Dockerfile has no stage {target}" if target else "the Dockerfile has no FROM line")
    return Bases(tuple(dict.fromkeys(images)), root if target is None else stages[target.lower()])


def with_bases(dockerfile: str, arguments: Mapping[str, str], names: Mapping[str, str]) -> str:
    """The Dockerfile with images outside it called as `names` says; every other line keeps its place."""
    known: dict[str, str] = {}
    lines = dockerfile.splitlines()
    in_stage = False
    for instruction in _instructions(dockerfile):
        if instruction.word == "ARG" and not in_stage:
            known |= _declared(instruction.text, known, arguments)
        elif instruction.word == "FROM":
            in_stage = True
            reference, _ = _from(instruction.text, known)
            if reference in names:
                flags, _, stage = _from_parts(instruction.text)
                renamed = " ".join(filter(None, ("FROM", *flags, names[reference], stage and f"AS {stage}")))
                count = instruction.last - instruction.first
                lines[instruction.first : instruction.last + 1] = [renamed, *[""] * count]
        else:
            for place in range(instruction.first, instruction.last + 1):
                lines[place] = _FROM_FLAG.sub(lambda found: _renamed(found, names), lines[place])
    return "\n".join(lines) + "\n"


def _instructions(dockerfile: str) -> Iterator[_Instruction]:
    lines = dockerfile.splitlines()
    escape, place = _escape(lines), 0
    while place < len(lines):
        first, text = place, ""
        while place < len(lines):
            line = lines[place].strip()
            place += 1
            if line.startswith("#") or (text and not line):
                continue
            text += line.removesuffix(escape) if line.endswith(escape) else line
            if not line.endswith(escape):
                break
        word, _, rest = text.replace("\t", " ").partition(" ")
        if word.upper() in {"RUN", "COPY", "ADD"}:
            for _, mark in _HEREDOC.findall(rest):
                while place < len(lines) and lines[place].lstrip("\t") != mark:
                    place += 1
                place += 1
        if word:
            yield _Instruction(word.upper(), rest.strip(), first, min(place, len(lines)) - 1)


def _escape(lines: list[str]) -> str:
    for line in lines:
        if found := _ESCAPE.fullmatch(line.strip()):
            return found[1]
        if not _DIRECTIVE.fullmatch(line.strip()):
            break
    return "\\"


def _declared(text: str, known: Mapping[str, str], arguments: Mapping[str, str]) -> dict[str, str]:
    declared: dict[str, str] = {}
    for name, _, default in (one.partition("=") for one in shlex.split(text)):
        declared[name] = arguments.get(name, _filled(default, {**known, **declared}))
    return declared


def _filled(text: str, known: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        held = known.get(found[1] or found[2], "")
        if found[3] == "+":
            return str(found[4]) if held else ""
        return held or found[4] or ""

    return _VARIABLE.sub(value, text)


def _from_parts(text: str) -> tuple[list[str], str, str]:
    words = text.split()
    flags = [word for word in words if word.startswith("--")]
    plain = [word for word in words if not word.startswith("--")]
    if len(plain) not in {1, 3} or (len(plain) == 3 and plain[1].upper() != "AS"):
        raise DefinitionError(f"the Dockerfile has a FROM line that cannot be read: FROM {text}")
    return flags, plain[0], plain[2] if len(plain) == 3 else ""


def _from(text: str, known: Mapping[str, str]) -> tuple[str, str]:
    """The image that a FROM line names, with its arguments filled in, and the stage's name in lower case."""
    _, image, stage = _from_parts(text)
    reference = _filled(image, known)
    if not reference:
        raise DefinitionError(
            f"the Dockerfile builds on {image}, which has no value",
            "Give it a default in the Dockerfile, or a value in `arguments` or `bases` of the image.",
        )
    return reference, stage.lower()


def _renamed(found: re.Match[str], names: Mapping[str, str]) -> str:
    image = found[1] or found[2]
    return found[0].replace(f"from={image}", f"from={names.get(image, image)}")
