"""Receipts as text: one line each, or one in full."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

from agent.history import History, Receipt
from agent.report.plan import plan_lines
from agent.steps import Phase
from bundle_format.shown.table import table


def history_lines(history: History) -> Iterator[str]:
    """All undertakings, oldest first."""
    rows = [
        (
            str(receipt.undertaking.number),
            moment(receipt.undertaking.begun),
            receipt.undertaking.operation,
            receipt.undertaking.source.version,
            receipt.outcome + (", runs now" if receipt == history.current else ""),
            f"{receipt.ended - receipt.undertaking.begun} s",
        )
        for receipt in history.receipts
    ]
    yield from table("receipts", rows)


def receipt_lines(receipt: Receipt) -> Iterator[str]:
    """One undertaking: what was set out, how it ended, and how long each phase took."""
    undertaking = receipt.undertaking
    source = undertaking.source
    what = f"{undertaking.operation} of {source.product} {source.version}"
    yield f"receipt {undertaking.number}: {what}: {receipt.outcome}"
    yield f"  site      {source.site}"
    yield f"  begun     {moment(undertaking.begun)}, ended {moment(receipt.ended)}"
    yield f"  bundle    {source.index}, number {source.sequence} of {source.channel}"
    yield f"  signed    by {', '.join(source.signers)}"
    yield f"  release   {source.release}"
    yield f"  agent     {undertaking.agent}, transaction {undertaking.transaction}"
    # A receipt that was read back has them in the order of the alphabet.
    phases = [(phase, receipt.phases[phase]) for phase in Phase if phase in receipt.phases]
    moments = [*phases, ("end", receipt.ended)]
    yield "  phases    " + ", ".join(f"{phase} {after - at} s" for (phase, at), (_, after) in pairwise(moments))
    yield from ("  " + line for line in plan_lines(undertaking.plan))
    yield from (f"  task      {task} ran" for task in receipt.tasks)
    yield from (f"  backup    {one.host}: {one.volume}: {one.content}" for one in receipt.backups)
    yield from (f"  failed    {reason}" for reason in receipt.reasons)


def moment(seconds: int) -> str:
    """A Unix time for a person."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
