"""Every engine that the contract is tried on: the fake, docker as installed, a newer one with containerd's store."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.contracts.labs import FakeLab, Lab, RealLab
from tests.engines import NEWER_ROOT, PrivateEngine, missing, newer_root
from tests.images import Shelf


@pytest.fixture(scope="session")
def docker() -> Iterator[PrivateEngine]:
    """The engine that is installed here."""
    if why := missing():
        pytest.skip(why)
    with PrivateEngine() as private:
        yield private


@pytest.fixture(scope="session")
def containerd() -> Iterator[PrivateEngine]:
    """A newer engine that keeps images in containerd."""
    root = newer_root()
    if why := missing() or (None if root else f"{NEWER_ROOT} names no root with a newer docker"):
        pytest.skip(why)
    assert root
    with PrivateEngine(root=root, features={"containerd-snapshotter": True}) as private:
        yield private


@pytest.fixture(
    params=[
        "fake",
        pytest.param("docker", marks=pytest.mark.engine),
        pytest.param("containerd", marks=pytest.mark.engine),
    ]
)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    if request.param == "fake":
        yield FakeLab()
        return
    with ExitStack() as closing:
        real = RealLab(request.getfixturevalue(request.param), closing)
        closing.callback(real.clear)
        yield real


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()
