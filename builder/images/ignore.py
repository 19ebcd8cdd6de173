"""Which members of a build context a .dockerignore leaves out, by docker's rules."""

import posixpath
import re
from collections.abc import Iterable


class Ignore:
    """The patterns of a .dockerignore; the last one that matches a path or a folder above it decides."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._rules: list[tuple[bool, re.Pattern[str]]] = []
        for line in lines:
            pattern = line.removeprefix("\ufeff").strip()
            if not pattern or line.startswith("#"):
                continue
            excluded = not pattern.startswith("!")
            plain = posixpath.normpath(pattern.removeprefix("!").strip()).lstrip("/")
            if plain not in {"", "."}:
                self._rules.append((excluded, re.compile(_expression(plain), re.DOTALL)))

    def leaves_out(self, path: str) -> bool:
        """Whether `path`, relative to the context and with slashes, stays out of it."""
        steps = path.split("/")
        ways = ["/".join(steps[:count]) for count in range(1, len(steps) + 1)]
        for excluded, expression in reversed(self._rules):
            if any(expression.fullmatch(way) for way in ways):
                return excluded
        return False


def _expression(pattern: str) -> str:
    """A pattern of Go's filepath.Match with `**` for any number of folders, as a regular expression."""
    found = ""
    rest = pattern
    while rest:
        if rest.startswith("**"):
            rest = rest[2:]
            if rest.startswith("/"):
                rest, piece = rest[1:], "(?:.*/)?"
            else:
                piece = ".*"
        elif rest[0] == "[" and (closed := re.match(r"\[(\^?)((?:\\.|[^\]\\])+)\]", rest)):
            rest, piece = rest[closed.end() :], f"[{closed[1]}{closed[2].replace('[', chr(92) + '[')}]"
        elif rest[0] == "\\" and len(rest) > 1:
            rest, piece = rest[2:], re.escape(rest[1])
        else:
            rest, piece = rest[1:], {"*": "[^/]*", "?": "[^/]"}.get(rest[0], re.escape(rest[0]))
        found += piece
    return found
