"""How long customers wait while a release changes, seen by one who asks all the time."""

import pytest

from tests.corner_shop import make_shop
from tests.integration.agent.apply.conftest import Agent
from tests.polling import longest_gap, polled

pytestmark = pytest.mark.engine

PAGE = "http://127.0.0.1:8080/index.html"

QUICK = 10
"""Seconds that the front of a shop may stand still when all is well, on a machine that is busy with other things."""


def test_an_update_lets_customers_wait_for_a_moment(site: Agent, capsys: pytest.CaptureFixture[str]) -> None:
    site.run("apply", make_shop(site.folder), "--yes")
    with polled(site.engine, PAGE) as moments:
        site.run("apply", make_shop(site.folder, "2024.2", 2), "--yes")

    told(capsys, "successful update", longest_gap(moments))
    assert longest_gap(moments) < QUICK
    assert "version 2024.2" in site.page()


def test_threat_25_an_update_that_fails_its_check_goes_back_by_itself(
    site: Agent, capsys: pytest.CaptureFixture[str]
) -> None:
    site.run("apply", make_shop(site.folder), "--yes")
    with polled(site.engine, PAGE) as moments:
        site.run("apply", make_shop(site.folder, "2024.2", 2, web={"command": ["sleep", "inf"]}), "--yes", code=30)

    told(capsys, "failed update, its deadline of 15 s included", longest_gap(moments))
    assert longest_gap(moments) < 15 + QUICK
    assert "version 2024.1" in site.page()


def told(capsys: pytest.CaptureFixture[str], what: str, seconds: float) -> None:
    with capsys.disabled():
        print(f"\n{what}: no answer for {seconds:.2f} s")  # noqa: T201
