"""Lines of several containers as one."""

import re
from collections.abc import Iterator

from agent.logs import Read, followed, matching, merged
from agent.targets.engine import LogLine
from bundle_format.errors import TargetError


def source(name: str, *times: int) -> Read:
    return lambda: (LogLine(name, f"2024-01-01T00:00:0{time}.000000000Z", "stdout", f"{name}{time}") for time in times)


def broken() -> Iterator[LogLine]:
    yield LogLine("c", "2024-01-01T00:00:00.000000000Z", "stdout", "c0")
    raise TargetError("c: gone")


def test_lines_of_all_come_in_the_order_of_their_times_and_a_broken_source_stops_no_other() -> None:
    lines = merged({"a": source("a", 1, 4), "b": source("b", 2, 3), "c": broken})

    assert [line.text for line in lines] == ["c0", "(no lines: c: gone)", "a1", "b2", "b3", "a4"]


def test_followed_lines_end_when_every_source_has_ended() -> None:
    lines = followed({"a": source("a", 1, 4), "b": source("b", 2), "c": broken})

    assert sorted(line.text for line in lines) == ["(no lines: c: gone)", "a1", "a4", "b2", "c0"]
    assert list(followed({})) == []


def test_only_matching_lines_pass() -> None:
    lines = list(merged({"a": source("a", 1, 4)}))

    assert [line.text for line in matching(lines, re.compile("4$"))] == ["a4"]
    assert list(matching(lines, None)) == lines
