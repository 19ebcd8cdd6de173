"""The walls between the rooms stand (pyproject.toml, importlinter; docs/architecture.md)."""

from importlinter.cli import lint_imports


def test_no_import_goes_through_a_wall():
    assert lint_imports(no_cache=True) == 0
