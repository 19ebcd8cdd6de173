"""What a person sees of a verb: its output, its errors, its exit code."""

import errno
import io
import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle_format.errors import DamageError, DefinitionError, ExitCode, FlotoError
from bundle_format.shown.lines import ProgressLines
from bundle_format.terminal import (
    SAME_PRESS,
    Terminal,
    Verb,
    VerbTable,
    escape,
    escape_line,
    hear_interrupts_once,
    run_program,
)


class Typed(io.StringIO):
    """Answers typed on a terminal, or piped in."""

    def __init__(self, text: str, *, terminal: bool = False) -> None:
        super().__init__(text)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture
def verbs(monkeypatch: pytest.MonkeyPatch) -> VerbTable:
    """A program with one verb that ends as its argument says."""

    def configure(parser: ArgumentParser) -> None:
        parser.add_argument("ending")

    def run(arguments: Namespace, terminal: Terminal) -> ExitCode:
        match arguments.ending:
            case "damaged":
                raise DamageError("blob 3 is damaged", "Copy the bundle again.")
            case "faulty":
                raise DefinitionError("site.star:1:2: error: no such word\nsite.star:4:1: error: nor this")
            case "interrupted":
                raise KeyboardInterrupt
            case "bug":
                raise ZeroDivisionError
            case "full":
                raise OSError(errno.ENOSPC, "No space left on device", "/media/stick/monday.plan")
        terminal.say("done \x1b[2J")
        return ExitCode.DRIFT

    module = ModuleType("playhouse.try_it")
    module.VERB = Verb("try-it", "Try it.", configure, run, "  play try-it well")
    monkeypatch.setitem(sys.modules, "playhouse.try_it", module)
    return VerbTable("playhouse", ("try-it",))


def play(verbs: VerbTable, *argv: str) -> int:
    return run_program("play", "1.2", "A play.", verbs, argv)


def test_a_verb_prints_its_result_and_its_code_is_the_programs(verbs: VerbTable, capsys: pytest.CaptureFixture[str]):
    assert play(verbs, "try-it", "well") == ExitCode.DRIFT
    assert capsys.readouterr().out == "done \\x1b[2J\n"


def test_an_error_becomes_message_hint_and_exit_code(verbs: VerbTable, capsys: pytest.CaptureFixture[str]):
    assert play(verbs, "try-it", "damaged") == ExitCode.DAMAGED
    assert capsys.readouterr() == ("", "error: blob 3 is damaged\nhint: Copy the bundle again.\n")


def test_diagnostics_keep_their_places_at_the_start_of_the_line(verbs, capsys):
    assert play(verbs, "try-it", "faulty") == ExitCode.USAGE
    assert capsys.readouterr().err == "site.star:1:2: error: no such word\nsite.star:4:1: error: nor this\n"


def test_a_bug_keeps_its_traceback_and_an_interruption_has_its_code(verbs: VerbTable):
    with pytest.raises(ZeroDivisionError):
        play(verbs, "try-it", "bug")
    assert play(verbs, "try-it", "interrupted") == 130


def test_what_the_system_refuses_is_told_without_a_traceback(verbs: VerbTable, capsys: pytest.CaptureFixture[str]):
    assert play(verbs, "try-it", "full") == ExitCode.USAGE
    assert capsys.readouterr().err == "error: /media/stick/monday.plan: No space left on device\n"


def test_version_needs_no_verb(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        play(VerbTable("no.such.package", ("nothing",)), "--version")
    assert ended.value.code == 0
    assert capsys.readouterr().out == "play 1.2\n"


@pytest.mark.parametrize("argv", [["try-it"], ["try-it", "--nonsense", "x"]])
def test_wrong_usage_is_told_with_code_2(verbs: VerbTable, argv: list[str]):
    with pytest.raises(SystemExit) as ended:
        play(verbs, *argv)
    assert ended.value.code == ExitCode.USAGE


def test_help_of_a_verb_ends_with_its_examples(verbs: VerbTable, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        play(verbs, "try-it", "--help")
    assert capsys.readouterr().out.endswith("examples:\n  play try-it well\n")


@pytest.mark.parametrize(("typed", "agreed"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False)])
def test_only_a_clear_yes_agrees(typed: str, agreed: bool):
    assert Terminal(io.StringIO(), io.StringIO(), Typed(typed)).ask("apply?") is agreed


def test_where_nobody_answers_nothing_is_agreed():
    with pytest.raises(FlotoError, match="nobody is there") as refused:
        Terminal(io.StringIO(), io.StringIO(), Typed("")).ask("apply?")
    assert "--yes" in refused.value.hint


def test_a_secret_is_never_read_from_a_pipe():
    with pytest.raises(FlotoError, match="no terminal"):
        Terminal(io.StringIO(), io.StringIO(), Typed("s3cret\n")).secret("passphrase")


@given(st.text())
def test_threat_36_what_is_printed_holds_no_control_or_invisible_sign(text: str):
    shown = escape_line(text)
    assert all(sign.isprintable() or sign == "\t" or not sign.isascii() for sign in shown)
    assert not any("\x80" <= sign <= "\x9f" or "\ud800" <= sign <= "\udfff" for sign in shown)
    assert not set(shown) & set("\u200b\u200e\u202a\u202e\u2066\u2069\ufeff\n\r\x1b")
    shown.encode("utf-8")
    assert escape(shown) == shown


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")
def test_work_goes_on_when_its_terminal_is_lost() -> None:
    here, there = os.openpty()
    with os.fdopen(there, "w", encoding="utf-8") as lost:
        terminal = Terminal(lost, lost, io.StringIO())
        os.close(here)
        for progress in (terminal.progress(), ProgressLines(terminal.warn, every=0.01)):
            with progress.task("work", 100) as work:
                work.advance(50)
                time.sleep(0.2)
                progress.note("half of it is done")
        with pytest.raises(OSError, match="Input/output"):
            terminal.say("a result is no message")
        terminal.warn("lost")
        os.dup2(os.open(os.devnull, os.O_WRONLY), there)


@pytest.mark.skipif(sys.platform == "win32", reason="a shell's redirections")
@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("program", ["builder", "agent"])
def test_a_standard_stream_that_is_closed_stops_no_work(program: str, closed: str, tmp_path: Path) -> None:
    words = {"builder": ("init", str(tmp_path / "hello")), "agent": ("trust", "show", "--state", str(tmp_path))}
    command = [sys.executable, "-m", f"{program}.cli.main", *words[program]]
    ended = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *command], check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell's redirections")
def test_no_file_gets_the_number_of_a_closed_stream() -> None:
    code = "from bundle_format.terminal import *; run_program('play', '1', '', VerbTable('', ()), ['x']); import os;"
    code += "raise SystemExit(os.open(os.devnull, os.O_RDONLY))"
    ended = subprocess.run(["sh", "-c", '"$@" <&- >&-', "sh", sys.executable, "-c", code], check=False)
    assert ended.returncode > 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here that is always full")
def test_a_result_that_finds_no_room_is_told_once() -> None:
    command = [sys.executable, "-m", "builder.cli.main", "render", "--help"]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(command, check=False, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (ended.returncode, ended.stderr) == (ExitCode.USAGE, "error: No space left on device\n")


def test_who_follows_through_a_pipe_sees_each_line_when_it_comes(
    verbs: VerbTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(behind))
    play(verbs, "try-it", "well")
    Terminal(sys.stdout, io.StringIO(), io.StringIO()).say("a line")
    assert behind.getvalue().endswith(b"a line\n")


def test_ctrl_c_that_is_heard_twice_interrupts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, SAME_PRESS / 2, SAME_PRESS + 0.1])
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        hear_interrupts_once()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        hear_interrupts_once()
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, former)


def test_a_file_reaches_a_program_byte_by_byte_and_a_person_without_its_controls() -> None:
    behind = io.BytesIO()
    piped = io.TextIOWrapper(behind, encoding="utf-8", newline="\n")
    terminal = Terminal(piped, io.StringIO(), io.StringIO())
    terminal.say("before")
    terminal.content(b"\xff\x1b[2J\r\n")
    assert behind.getvalue() == b"before\n\xff\x1b[2J\r\n"
    shown = Typed("", terminal=True)
    Terminal(shown, io.StringIO(), io.StringIO()).content(b"a\x1b[2J\n")
    assert shown.getvalue() == "a\\x1b[2J\n"


def test_a_misspelt_verb_is_told_with_the_one_that_was_meant(verbs: VerbTable, capsys: pytest.CaptureFixture[str]):
    assert play(verbs, "tryit", "well") == ExitCode.USAGE
    assert capsys.readouterr().err == (
        "error: play has no verb 'tryit'; did you mean 'try-it'?\nhint: All verbs: play --help\n"
    )
