"""The engine's framed log stream, however its bytes are cut."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.targets.docker.logs import log_lines, next_moment
from agent.targets.engine import LogLine

TIME = "2026-11-23T15:44:15.877561790Z"


def frame(stream: int, text: bytes, time: str = TIME) -> bytes:
    content = time.encode() + b" " + text
    return struct.pack(">BxxxI", stream, len(content)) + content


def texts(*pieces: bytes) -> list[tuple[str, str]]:
    return [(line.stream, line.text) for line in log_lines("web", pieces)]


def test_a_line_has_its_time_and_stream() -> None:
    lines = list(log_lines("web", [frame(1, b"out\n"), frame(2, b"err\r\n")]))

    assert lines == [LogLine("web", TIME, "stdout", "out"), LogLine("web", TIME, "stderr", "err")]


def test_parts_of_a_long_line_are_joined_by_stream_under_the_first_time() -> None:
    later = "2026-11-23T15:44:16.000000000Z"
    pieces = [frame(1, b"be"), frame(2, b"other\n"), frame(1, b"gin\n", later)]

    assert [(line.time, line.text) for line in log_lines("web", pieces)] == [(TIME, "other"), (TIME, "begin")]


def test_a_line_that_never_ends_is_cut() -> None:
    pieces = [frame(1, b"x" * (1 << 20)) for _ in range(4)]

    assert [len(text) for _, text in texts(*pieces)] == [3 << 20, 1 << 20]


def test_what_is_no_text_is_shown_all_the_same() -> None:
    assert texts(frame(1, b"\xff\x00\n")) == [("stdout", "\ufffd\x00")]


def test_a_stream_that_breaks_off_gives_what_was_whole() -> None:
    assert texts(frame(1, b"whole\n") + frame(1, b"half\n")[:-3]) == [("stdout", "whole")]


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=8), st.data())
def test_cuts_do_not_matter(frames: list[tuple[int, bytes]], data: st.DataObject) -> None:
    whole = b"".join(frame(stream, text) for stream, text in frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    pieces = [whole[start:end] for start, end in pairwise([0, *cuts, len(whole)])]

    assert texts(*pieces) == texts(whole)


@pytest.mark.parametrize(
    ("time", "after"),
    [
        ("1970-01-01T00:00:01Z", "1.000000001"),
        ("1970-01-01T00:00:01.5Z", "1.500000001"),
        ("1970-01-01T00:00:01.999999999Z", "2.000000000"),
    ],
)
def test_the_next_moment_is_a_nanosecond_later(time: str, after: str) -> None:
    assert next_moment(time) == after
