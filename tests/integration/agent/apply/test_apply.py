"""Bundles applied to a real engine, as a person does it."""

import pytest

from tests.corner_shop import make_shop
from tests.integration.agent.apply.conftest import Agent

pytestmark = pytest.mark.engine


def test_a_release_is_applied_and_applied_again_changes_nothing(site: Agent) -> None:
    bundle = make_shop(site.folder)

    said = site.run("apply", bundle, "--yes")
    assert "create front: missing" in said
    assert "<h1>welcome</h1>\nversion 2024.1" in site.page()
    before = site.ids()

    assert "nothing to do" in site.run("apply", bundle)
    assert site.ids() == before
