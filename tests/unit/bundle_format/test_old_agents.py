"""A release that takes a newer agent: refused before it is looked at, while the bundle itself can still be verified."""

from pathlib import Path

import pytest

from bundle_format import __version__
from bundle_format.errors import PreflightError
from bundle_format.progress import Silence
from bundle_format.reader import open_bundle
from tests.bundles import Made, make_bundle
from tests.forge import forgery_of


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return make_bundle(tmp_path)


@pytest.mark.parametrize("agent", ["99", "0.99", f"{__version__}.1"])
def test_threat_12_a_release_for_newer_agents_is_refused_before_it_is_read(made: Made, agent: str) -> None:
    made.path.write_bytes(forgery_of(made).with_index(agent=agent).to_bytes())
    with open_bundle(made.path, made.trust) as bundle:
        assert bundle.verify(Silence()) == []
        with pytest.raises(PreflightError, match=rf"shop 1 needs agent {agent} or newer; this is {__version__}"):
            _ = bundle.release


@pytest.mark.parametrize("agent", [None, "0", "0.0.9", __version__, f"{__version__}.0"])
def test_a_release_for_this_agent_or_older_ones_is_read(made: Made, agent: str | None) -> None:
    made.path.write_bytes(forgery_of(made).with_index(agent=agent).to_bytes())
    with open_bundle(made.path, made.trust) as bundle:
        assert bundle.release == made.release
