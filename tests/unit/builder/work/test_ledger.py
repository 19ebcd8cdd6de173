"""The ledger remembers, and forgets what it cannot read."""

from pathlib import Path

from builder.work.ledger import Ledger


def test_what_is_remembered_is_recalled_under_its_key_alone(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert ledger.recall("build", {"a": 1}) is None
    ledger.remember("build", {"a": 1}, value=["x", None])
    assert Ledger(tmp_path).recall("build", {"a": 1}) == ["x", None]
    assert ledger.recall("build", {"a": 2}) is None
    ledger.remember("build", {"a": 1}, value="newer")
    assert ledger.recall("build", {"a": 1}) == "newer"


def test_a_broken_record_counts_as_none(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.remember("k", value=1)
    (record,) = tmp_path.glob("*/*.json")
    record.write_bytes(b"{broken")
    assert ledger.recall("k") is None
