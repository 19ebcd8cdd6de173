"""One real engine for all tests of this folder, with a small image in it, and a fresh store for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.sources.engine import Engine
from bundle_format.store import Store
from tests import engines, images

BUSYBOX = "busybox:test"
"""An image of one layer in the test engine."""


@pytest.fixture(scope="session")
def private_engine() -> Iterator[engines.PrivateEngine]:
    if reason := engines.missing():
        pytest.skip(reason)
    with engines.PrivateEngine() as engine:
        engine.docker("import", "-", BUSYBOX, content=images.busybox_layer())
        yield engine


@pytest.fixture
def engine(private_engine: engines.PrivateEngine) -> Iterator[Engine]:
    with Engine(private_engine.address) as engine:
        yield engine


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")
