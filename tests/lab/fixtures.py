"""What tests of machines begin with."""

from collections.abc import Iterator

import pytest

from tests.engines import missing
from tests.lab.esx import esx_missing
from tests.lab.image import machines_missing
from tests.lab.network import LabNetwork


@pytest.fixture(scope="module")
def network() -> Iterator[LabNetwork]:
    """A network of one's own for machines, where all is there that they need."""
    if why := missing() or esx_missing() or machines_missing():
        pytest.skip(why)
    with LabNetwork() as network:
        yield network
