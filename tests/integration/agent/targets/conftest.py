"""Real engines to try docker's own habits on."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from agent.targets.docker.engine import DockerEngine
from bundle_format.progress import Silence
from bundle_format.release.model import Image
from tests.contracts.labs import RealLab
from tests.engines import PrivateEngine, each_kind, made_engine
from tests.images import Shelf

Load = Callable[..., str]


@pytest.fixture(scope="package", params=each_kind())
def shared(request: pytest.FixtureRequest) -> Iterator[PrivateEngine]:
    with made_engine(request.param) as private:
        yield private


@pytest.fixture
def lab(shared: PrivateEngine) -> Iterator[RealLab]:
    with ExitStack() as closing:
        real = RealLab(shared, closing)
        closing.callback(real.clear)
        yield real


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def load(shelf: Shelf) -> Load:
    """Load one image into an engine; its id there."""

    def loaded(engine: DockerEngine, image: Image) -> str:
        return engine.load_images([image], shelf, Silence())[image.config]

    return loaded
