"""A new project is written whole, and never over anything."""

from pathlib import Path

import pytest

from builder.starter import write_starter
from bundle_format.errors import DefinitionError


def test_a_project_is_written_under_its_name(tmp_path: Path) -> None:
    files = write_starter(tmp_path / "new" / "hello", "hello")
    assert all(file.is_file() for file in files)
    assert 'project("hello"' in files[0].read_text(encoding="utf-8")
    assert not any("@NAME@" in file.read_text(encoding="utf-8") for file in files)


def test_what_is_there_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("mine", encoding="utf-8")
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "style.css").symlink_to("nowhere")
    with pytest.raises(DefinitionError) as caught:
        write_starter(tmp_path, "hello")
    assert "site.toml" in caught.value.message
    assert "style.css" in caught.value.message
    assert not (tmp_path / "site.star").exists()
    assert (tmp_path / "site.toml").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["", "Shop", "a b", "../x", "-x", "a\n"])
def test_a_product_has_a_plain_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(DefinitionError, match="no name for a product"):
        write_starter(tmp_path / "p", name)
    assert not (tmp_path / "p").exists()
