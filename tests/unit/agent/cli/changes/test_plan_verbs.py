"""`floto-agent plan` and `preflight`, as far as no real engine is needed."""

import json

import pytest

from tests.unit.agent.cli.conftest import Agent


@pytest.mark.parametrize("verb", ["plan", "preflight"])
def test_what_to_know_of_a_bundle_is_told_to_scripts_in_one_place(shop: Agent, verb: str) -> None:
    told = json.loads(shop.run(verb, shop.bundle(), "--json"))

    assert [note.endswith("days old") for note in told["notes"]] == [True]
    assert not any("days old" in warning for warning in told["warnings"])
