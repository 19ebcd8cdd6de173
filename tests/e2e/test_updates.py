"""Updates of the shop's jar, from `build` to an answer through nginx: their phases and what customers see of them.

The times are printed, for a person to judge: how busy the machine was is not for a test to know.
"""

import json
import time
from itertools import pairwise
from pathlib import Path

import pytest

from agent.steps import Phase
from bundle_format.errors import ExitCode
from tests.e2e.places import Home, Site
from tests.polling import longest_gap, polled

pytestmark = pytest.mark.slow

SHOP = "http://127.0.0.1:8080/products"
SOURCE = "catalogue/src/shop/Catalogue.java"
VERSION = ('version="2024.1"', 'version="2024.2"')
ANOTHER_JAR = ('"{\\"node\\":"', '"{\\"jar\\":2,\\"node\\":"')


def test_a_jar_from_its_build_to_an_answer_by_an_agent_that_starts_cold(
    site: Site, home: Home, first: Path, capsys: pytest.CaptureFixture[str]
):
    site.apply(first)
    edited = home.edited("jar", {"site.star": VERSION, SOURCE: ANOTHER_JAR})

    began = time.monotonic()
    bundle = home.build(edited, sequence=2)
    built = time.monotonic()
    with polled(site.engine, SHOP) as moments:
        site.apply(bundle)
        applied = time.monotonic()

    assert site.fetch("/products")[1]["jar"] == 2
    receipt = json.loads(site.agent("receipt", "--json").stdout)
    begun = {**receipt["phases"], "end": receipt["ended"]}
    starts = [(phase, begun[phase]) for phase in (*Phase, "end") if phase in begun]
    lengths = ", ".join(f"{phase} {after - at} s" for (phase, at), (_, after) in pairwise(starts))
    told(
        capsys,
        f"one jar: build {built - began:.1f} s, frozen agent {applied - built:.1f} s ({lengths}), together "
        f"{applied - began:.1f} s; no answer for {longest_gap(moments):.2f} s",
    )


def test_threat_25_a_jar_that_fails_its_check_goes_and_the_old_one_answers_again(
    site: Site, home: Home, first: Path, capsys: pytest.CaptureFixture[str]
):
    site.apply(first)
    unwell = ('["http-answers", "8080", "/health"], interval="2s", retries=5, start_period="30s"),\n    )', (
        '["http-answers", "8080", "/nowhere"], interval="1s", retries=2),\n        health_deadline="20s",\n    )'
    ))  # fmt: skip
    edited = home.edited("unwell", {"site.star": unwell, SOURCE: ANOTHER_JAR})
    bundle = home.build(edited, sequence=2)

    with polled(site.engine, SHOP) as moments:
        failed = site.apply(bundle, expect=ExitCode.ROLLED_BACK)

    assert "catalogue-1 is not well after 20 s" in failed.stderr
    assert "jar" not in site.fetch("/products")[1]
    site.agent("status")
    gap = longest_gap(moments)
    told(capsys, f"a jar that fails its check, its deadline of 20 s included: no answer for {gap:.2f} s")


def told(capsys: pytest.CaptureFixture[str], what: str) -> None:
    with capsys.disabled():
        print(f"\n{what}")  # noqa: T201
