"""TOML as its value and the place of everything in it, so that a fault can be pointed at."""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import tomli

from bundle_format.release.value import Fault, FaultyError, Path

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_GAP = re.compile(r"[ \t]*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_TEXT = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|' + r"'''.*?'{3,5}|" + r'"(?:[^"\\\n]|\\.)*"|' + r"'[^'\n]*'",
    re.DOTALL,
)
_QUOTED = re.compile(r"'([^']*)'")
_WORD = re.compile(r"[^,\]}#\n]*")
_BACKSLASHES: Final = "a \\ in double quotes begins an escape: write 'C:\\Users' in single quotes, or C:/Users"


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a key and its value begin; lines and columns count from 1, columns in code points."""

    line: int
    column: int
    value_line: int
    value_column: int


@dataclass(frozen=True)
class Toml:
    """A document: its value, and where each table, key and member of an array is first written."""

    value: Mapping[str, Any]
    spots: Mapping[Path, Spot]

    def nearest(self, path: Path) -> Spot:
        """The spot of `path` or of what it would stand in."""
        while path not in self.spots and path:
            path = path[:-1]
        return self.spots.get(path, Spot(1, 1, 1, 1))


def parse_toml(content: bytes, file: str) -> Toml:
    """Read a TOML document as UTF-8, with or without a byte order mark; FaultyError with its first fault."""
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise FaultyError(Fault("the file is no UTF-8 text: save it as UTF-8", file, line)) from error
    try:
        value = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise FaultyError(_syntax_fault(error, text, file)) from error
    return Toml(value, _Scanner(text).spots)


def _syntax_fault(error: tomli.TOMLDecodeError, text: str, file: str) -> Fault:
    line = text.split("\n")[error.lineno - 1]
    windows = re.search(r'"[^"]*\\[^"]*"', line) and re.search(r"escape|hex|backslash|\\", error.msg, re.IGNORECASE)
    twice = re.fullmatch(r"Cannot declare \((.+?),?\) twice", error.msg)
    message = f"[{'.'.join(re.findall(_QUOTED, twice[1]))}] stands there twice" if twice else error.msg
    return Fault(message + (f" ({_BACKSLASHES})" if windows else ""), file, error.lineno, error.colno)


class _Scanner:
    """Walks through a text that is known to be TOML, and notes where things are."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._ends = [match.end() for match in re.finditer("\n", text)]
        self.spots: dict[Path, Spot] = {}
        self._document()

    def _document(self) -> None:
        table: Path = ()
        members: dict[Path, int] = defaultdict(int)
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header(members)
            else:
                self._pair(table)
            self._skip(_BLANK)

    def _header(self, members: dict[Path, int]) -> Path:
        start = self._at
        array = self._text.startswith("[[", start)
        self._at += 2 if array else 1
        table = self._within_arrays(self._keys(), members)
        self._at += 2 if array else 1
        if array:
            members[table] += 1
            table = (*table, members[table] - 1)
        self._note(table, start, start)
        return table

    def _within_arrays(self, written: Path, members: dict[Path, int]) -> Path:
        # `[a.b]` after `[[a]]` speaks of the last member of `a`.
        table: Path = ()
        for place, key in enumerate(written):
            table = (*table, key)
            if members[table] and place < len(written) - 1:
                table = (*table, members[table] - 1)
        return table

    def _pair(self, table: Path) -> None:
        start = self._at
        path = table + self._keys()
        self._at += 1  # the equals sign
        self._skip(_GAP)
        self._note(path, start, self._at)
        self._value(path)

    def _keys(self) -> Path:
        keys: list[str | int] = []
        while True:
            self._skip(_GAP)
            keys.append(_plain(self._skip(_KEY)))
            self._skip(_GAP)
            if self._text[self._at] != ".":
                return tuple(keys)
            self._at += 1

    def _value(self, path: Path) -> None:
        match self._text[self._at]:
            case "[":
                self._array(path)
            case "{":
                self._inline(path)
            case '"' | "'":
                self._skip(_TEXT)
            case _:
                self._skip(_WORD)

    def _array(self, path: Path) -> None:
        self._at += 1
        place = 0
        while not self._closed("]"):
            self._note((*path, place), self._at, self._at)
            self._value((*path, place))
            place += 1

    def _inline(self, path: Path) -> None:
        self._at += 1
        while not self._closed("}"):
            self._pair(path)

    def _closed(self, bracket: str) -> bool:
        self._skip(_BLANK)
        if self._text[self._at] == ",":
            self._at += 1
            self._skip(_BLANK)
        closed = self._text[self._at] == bracket
        self._at += closed
        return closed

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        assert match, f"not TOML at {self._at}"
        self._at = match.end()
        return match[0]

    def _note(self, path: Path, key: int, value: int) -> None:
        spot = Spot(*self._line_column(key), *self._line_column(value))
        for length in range(1, len(path) + 1):
            self.spots.setdefault(path[:length], spot)

    def _line_column(self, at: int) -> tuple[int, int]:
        line = bisect_right(self._ends, at)
        return line + 1, at - (self._ends[line - 1] if line else 0) + 1


def _plain(key: str) -> str:
    return str(next(iter(tomli.loads(f"{key} = 0")))) if key.startswith(('"', "'")) else key
