"""Progress as it looks: lines in a log, bars on a terminal."""

import io
import threading

import pytest

from bundle_format.shown.bars import ProgressBars
from bundle_format.shown.lines import ProgressLines
from bundle_format.shown.sizes import size_text
from bundle_format.terminal import escape


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_960, "1.0 MB"),
        (8 * 10**15, "8000.0 TB"),
    ],
)
def test_sizes_are_short(size: int, text: str):
    assert size_text(size) == text


def test_long_work_tells_a_line_now_and_then_and_how_it_ended():
    lines: list[str] = []
    told = threading.Event()

    def write(line: str) -> None:
        lines.append(line)
        told.set()

    progress = ProgressLines(write, every=0.001, clock=lambda: 7.0)
    with progress.task("load web", 2_000_000) as work:
        work.advance(500_000)
        assert told.wait(10)
        work.advance(1_500_000)
    assert lines[0] == "load web: 500.0 kB of 2.0 MB (25 %), 0 s"
    assert lines[-1] == "load web: 2.0 MB of 2.0 MB (100 %), 0 s"


def test_short_work_tells_nothing_and_a_note_is_its_own_line():
    lines: list[str] = []
    progress = ProgressLines(lines.append)
    with progress.task("load web", 10) as work:
        work.advance(10)
    progress.note("web: reused")
    assert lines == ["web: reused"]


def test_bars_keep_notes_and_read_no_markup_from_outside():
    stream = io.StringIO()
    bars = ProgressBars(stream, escape)
    with bars.task("load [red]web[/]", 10) as work:
        work.advance(10)
        bars.note("[bold]kept[/] \x1b[2J as it is")
    assert "[bold]kept[/] \\x1b[2J as it is" in stream.getvalue()
