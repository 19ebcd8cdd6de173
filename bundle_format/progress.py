"""How long work tells of its advance: a Protocol that the command line implements, and one that says nothing."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """One piece of work with a known or unknown size in bytes."""

    def advance(self, amount: int) -> None:
        """`amount` more bytes are done."""


class Progress(Protocol):
    """Where work reports to; safe to use from several threads."""

    def task(self, what: str, total: int | None = None) -> AbstractContextManager[Task]:
        """Open a task of `total` bytes (None: unknown); leaving it ends its line."""

    def note(self, line: str) -> None:
        """Say one finished thing, such as an image that was reused."""


class Silence:
    """A Progress that says nothing: the default of libraries and tests."""

    @contextmanager
    def task(self, what: str, total: int | None = None) -> Iterator["Silence"]:  # noqa: ARG002
        """Open a task nobody hears of."""
        yield self

    def advance(self, amount: int) -> None:
        """Count nothing."""

    def note(self, line: str) -> None:
        """Say nothing."""
