"""How tests are dealt to several workers: what shares costly fixtures stays together (`scripts/test`, pytest-xdist)."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SHARED = (TESTS / "contracts", TESTS / "e2e", TESTS / "integration" / "builder", TESTS / "integration" / "chain")
"""Folders whose files use the same engines, registries or releases; elsewhere a file is on its own."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        place = next((folder for folder in SHARED if folder in item.path.parents), item.path)
        item.add_marker(pytest.mark.xdist_group(place.relative_to(TESTS).as_posix()))
