"""Receipts as text."""

from pathlib import Path

from agent.report.history import receipt_lines
from tests.sites import FakeSite


def test_a_receipt_that_was_read_back_tells_its_phases_in_their_order(tmp_path: Path) -> None:
    site = FakeSite(tmp_path)
    site.apply(site.deployment(images={"web": site.image("web")}, containers={"web": {}}))

    told = next(line for line in receipt_lines(site.history.receipts[-1]) if line.startswith("  phases"))

    assert [part.split()[0] for part in told.removeprefix("  phases").split(",")] == [
        "stage", "load", "prepare", "switch", "gate", "commit",
    ]  # fmt: skip
    assert "-" not in told
