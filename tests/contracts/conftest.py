"""Every engine that the contract is tried on: the fake, docker as installed, a newer one with containerd's store."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.contracts.boxes import Box, FakeLabBox
from tests.contracts.labs import FakeLab, Lab, RealLab
from tests.engines import KINDS, PrivateEngine, made_engine
from tests.images import Shelf


@pytest.fixture(scope="session")
def docker() -> Iterator[PrivateEngine]:
    with ready(made_engine("docker")) as private:
        yield private


@pytest.fixture(scope="session")
def newer() -> Iterator[PrivateEngine]:
    with ready(made_engine("newer")) as private:
        yield private


@pytest.fixture(scope="session")
def containerd() -> Iterator[PrivateEngine]:
    with ready(made_engine("containerd")) as private:
        yield private


def ready(made: PrivateEngine | str) -> PrivateEngine:
    if isinstance(made, str):
        pytest.skip(made)
    return made


@pytest.fixture(params=["fake", *(pytest.param(kind, marks=pytest.mark.engine) for kind in KINDS)])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    if request.param == "fake":
        yield FakeLab()
        return
    with ExitStack() as closing:
        real = RealLab(request.getfixturevalue(request.param), closing)
        closing.callback(real.clear)
        yield real


@pytest.fixture(params=["fake"])
def box(request: pytest.FixtureRequest) -> Iterator[Box]:
    yield FakeLabBox()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()
