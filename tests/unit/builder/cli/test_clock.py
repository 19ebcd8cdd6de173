"""The time that owners sign, when it is told."""

import pytest

from builder.cli.clock import now
from bundle_format.errors import FlotoError


def test_a_time_that_is_told_is_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert now() == 1700000000


@pytest.mark.parametrize("told", ["yesterday", "-5", "1.5", "253402300800"])
def test_what_is_no_time_is_refused(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", told)
    with pytest.raises(FlotoError, match="no number of seconds"):
        now()
