"""How both programs meet a person: verbs, lines, questions and exit codes. Only `cli` modules may use it."""

import argparse
import contextlib
import difflib
import getpass
import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, TextIO, cast

from bundle_format.errors import ExitCode, FlotoError
from bundle_format.progress import Progress
from bundle_format.shown.lines import ProgressLines

INTERRUPTED = 130
PIPE_CLOSED = 141

SAME_PRESS = 0.5
"""Seconds within which a second Ctrl-C is the first one heard again."""

_ESCAPED = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in (
        *(set(range(0x20)) - {0x09, 0x0A}),
        *range(0x7F, 0xA0),
        *range(0x200B, 0x2010),
        *range(0x2028, 0x202F),
        *range(0x2060, 0x2070),
        *range(0xD800, 0xE000),
        0xFEFF,
    )
}
"""Controls, text-direction marks, invisible signs and lone surrogates: what could forge a line (THREATS 36)."""


def escape(text: str) -> str:
    """`text` with everything made visible that could move the cursor or hide; tabs and line ends stay."""
    return text.translate(_ESCAPED)


def escape_line(text: str) -> str:
    """The same for a name or a value from outside that must stay on its line."""
    return escape(text).replace("\n", "\\n")


@dataclass(frozen=True)
class Verb:
    """One thing that a program can be told to do; `examples` end its help."""

    name: str
    summary: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: "Callable[[argparse.Namespace, Terminal], ExitCode]"
    examples: str = ""


@dataclass(frozen=True)
class VerbTable:
    """A program's verbs in the order of its help: modules of `package`, imported when needed, each with its VERB.

    A verb is named as it is typed, behind the room of the package that its module lies in: `changes/roll-back`.
    """

    package: str
    places: tuple[str, ...]

    @property
    def modules(self) -> dict[str, str]:
        """The module of each verb."""
        return {
            place.rpartition("/")[2]: f"{self.package}.{place.replace('/', '.').replace('-', '_')}"
            for place in self.places
        }

    def load(self, name: str) -> Verb:
        """Import the verb's module."""
        verb = import_module(self.modules[name]).VERB
        assert isinstance(verb, Verb)
        return verb


class Heedless:
    """A stream of text that goes on without a word when its reader has left, as a terminal does whose login is lost."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or do nothing."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or do nothing."""
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Terminal:
    """The person's side: results on `output`, everything about the work on `messages`.

    Messages that nobody can read any more stop no work.
    """

    def __init__(self, output: TextIO, messages: TextIO, answers: TextIO) -> None:
        self._output = output
        self._messages = cast(TextIO, Heedless(messages))
        self._answers = answers

    def say(self, text: str = "") -> None:
        """Print one or more lines of the result."""
        self._output.write(escape(text) + "\n")

    def content(self, content: bytes) -> None:
        """Print a file: its very bytes for a program or another file, for a person what a terminal can bear."""
        if self._output.isatty():
            self._output.write(escape(content.decode("utf-8", "replace")))
            return
        self._output.flush()
        self._output.buffer.write(content)
        self._output.buffer.flush()

    def warn(self, text: str) -> None:
        """Print lines that are no part of the result."""
        with contextlib.suppress(OSError):  # `say` and the end of the program tell of it
            self._output.flush()
        self._messages.write(escape(text) + "\n")
        self._messages.flush()

    def json(self, value: Any) -> None:
        """Print a JSON value for scripts."""
        self._output.write(json.dumps(value, indent=2) + "\n")

    def ask(self, question: str) -> bool:
        """Whether the person answers yes; FlotoError where nobody is there to answer."""
        self._output.flush()
        self._messages.write(f"{escape(question)} [y/N] ")
        self._messages.flush()
        answer = self._answers.readline()
        if not answer:
            raise FlotoError("nobody is there to answer", "Agree beforehand with --yes.")
        return answer.strip().lower() in {"y", "yes"}

    def secret(self, question: str) -> str:
        """What the person types unseen; FlotoError where there is no terminal to type on."""
        if not self._answers.isatty():
            raise FlotoError(f"no terminal to ask on: {question}", "Give it by a file or the environment instead.")
        try:
            return getpass.getpass(f"{escape(question)}: ", self._messages)
        except EOFError as error:
            raise FlotoError(f"nothing was typed: {question}") from error

    def progress(self) -> Progress:
        """Where work tells of its advance: bars on a terminal, a plain line every few seconds elsewhere."""
        if self._messages.isatty():
            from bundle_format.shown.bars import ProgressBars  # noqa: PLC0415  # rich costs more than most verbs

            return ProgressBars(self._messages, escape)
        return ProgressLines(self.warn)


def hear_interrupts_once() -> None:
    """Let Ctrl-C raise KeyboardInterrupt once a press: the starter of a frozen program passes on what it heard, too."""
    heard = -math.inf

    def asked(_number: int, _frame: FrameType | None) -> None:
        nonlocal heard
        now = time.monotonic()
        if now - heard > SAME_PRESS:
            heard = now
            raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, asked)


def run_program(name: str, version: str, description: str, verbs: VerbTable, argv: Sequence[str]) -> int:
    """Run the verb that `argv` names and return the exit code; SystemExit (2) on wrong usage, (0) after help."""
    _stand_in_for_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # Line by line also into a pipe, where somebody may follow what comes.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    terminal = Terminal(sys.stdout, sys.stderr, sys.stdin)
    try:
        _check_verb(name, verbs, argv)
        parser = _parser(name, version, description, _needed(verbs, argv))
        arguments = parser.parse_args(argv)
        if not hasattr(arguments, "verb"):
            parser.print_help(sys.stderr)
            return ExitCode.USAGE
        verb: Verb = arguments.verb
        hear_interrupts_once()
        code = verb.run(arguments, terminal)
        sys.stdout.flush()
    except FlotoError as error:
        terminal.warn(_told(error))
        return error.exit_code
    except KeyboardInterrupt:
        terminal.warn("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _give_output_up()  # the reader (head, less) has left
        return PIPE_CLOSED
    except OSError as error:
        # A full disk or a folder that is not there is no fault of ours: whoever reads this can mend it.
        place = "" if error.filename is None else f"{error.filename}: "
        terminal.warn(f"error: {place}{error.strerror or error}")
        _give_output_up()
        return ExitCode.USAGE
    return code


def _give_output_up() -> None:
    """Let the interpreter's own flush at the end not complain of an output that takes nothing any more."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stand_in_for_closed_streams() -> None:
    """Put the null device where a program was started without a standard stream (`>&-`).

    It takes the stream's number, too, which a file of ours would get, and with it what children print.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  # open to the end


def _check_verb(name: str, verbs: VerbTable, argv: Sequence[str]) -> None:
    word = next(iter(argv), "-")
    if not word.startswith("-") and word not in verbs.modules:
        near = difflib.get_close_matches(word, verbs.modules, 1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        raise FlotoError(f"{name} has no verb {word!r}{meant}", f"All verbs: {name} --help")


def _needed(verbs: VerbTable, argv: Sequence[str]) -> Iterable[Verb]:
    if argv and argv[0] in verbs.modules:
        return [verbs.load(argv[0])]
    if argv and argv[0] == "--version":
        return []
    return [verbs.load(name) for name in verbs.modules]


def _parser(name: str, version: str, description: str, verbs: Iterable[Verb]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=name, description=description, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"{name} {version}")
    choices = parser.add_subparsers(title="verbs", metavar="VERB")
    for verb in verbs:
        examples = f"examples:\n{verb.examples.rstrip()}" if verb.examples else None
        chosen = choices.add_parser(
            verb.name,
            help=verb.summary,
            description=verb.summary,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        verb.configure(chosen)
        chosen.set_defaults(verb=verb)
    return parser


def _told(error: FlotoError) -> str:
    # Diagnostics of a definition or a site's file bring their own "place: error:" on every line.
    text = error.message if ": error: " in error.message else f"error: {error.message}"
    return f"{text}\nhint: {error.hint}" if error.hint else text
