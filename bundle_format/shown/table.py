"""Rows of words under a title, in columns as wide as their widest word."""

from collections.abc import Iterable, Iterator, Sequence


def table(title: str, rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table; none where there are no rows."""
    rows = list(rows)
    if not rows:
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield f"{title}:"
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
