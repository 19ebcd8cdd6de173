"""How tests are dealt to several workers (`scripts/test`, pytest-xdist): what shares costly fixtures stays together."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

SHARED = ("tests/contracts/", "tests/e2e/", "tests/integration/builder/", "tests/integration/chain/")
"""Folders whose files use the same engines, registries or releases; elsewhere each file is on its own."""


class Dealing(LoadScopeScheduling):
    """Deals whole folders or files, in the order of their names: the longest come first."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((folder for folder in SHARED if file.startswith(folder)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Dealing:
    return Dealing(config, log)
