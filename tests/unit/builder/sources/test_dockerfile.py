"""A build context holds what docker would send, and its key all that decides the outcome."""

import io
from pathlib import Path

from builder.language.evaluation import Build
from builder.layers.layer import Entry
from builder.project import Project
from builder.sources.dockerfile import Context, read_context

EPOCH = 946684800


def context(root: Path, placed: tuple[Entry, ...] = (), **recipe: object) -> Context:
    folder = root / "web"
    folder.mkdir(exist_ok=True)
    for name, text in {
        "Dockerfile": "FROM one\n",
        "a.md": "a",
        "b.txt": "b",
        ".dockerignore": "*.md\nDockerfile\n",
    }.items():
        if not (folder / name).exists():
            (folder / name).write_text(text, encoding="utf-8")
    return read_context(Project(root), Build(context="web", tag="1", **recipe), placed, {"A": "1"})


def paths(found: Context) -> list[str]:
    return sorted(entry.path for entry in found.entries)


def test_the_dockerfile_comes_along_even_where_it_is_left_out(tmp_path: Path) -> None:
    assert paths(context(tmp_path)) == [".dockerignore", "Dockerfile", "b.txt"]


def test_a_dockerfile_with_rules_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "other.dockerignore").write_text("b.txt\n", encoding="utf-8")
    (tmp_path / "web" / "other").write_text("FROM two\n", encoding="utf-8")
    found = context(tmp_path, dockerfile="other")
    assert paths(found) == [".dockerignore", "Dockerfile", "a.md", "other", "other.dockerignore"]
    assert found.bases.images == ("two",)


def test_placed_files_win_over_those_of_the_folder(tmp_path: Path) -> None:
    entry = Entry("b.txt", "file", 0o644, size=3, content="placed", open=lambda: io.BytesIO(b"new"))
    found = context(tmp_path, (entry,))
    assert [e.content for e in found.entries if e.path == "b.txt"] == ["placed"]


def test_the_key_changes_with_everything_that_counts_and_nothing_else(tmp_path: Path) -> None:
    keys = [context(tmp_path).key("engine", {"one": "id"}, EPOCH)]
    (tmp_path / "web" / "a.md").write_text("left out", encoding="utf-8")
    (tmp_path / "web" / "b.txt").chmod(0o600)
    assert context(tmp_path).key("engine", {"one": "id"}, EPOCH) == keys[0]
    keys.append(context(tmp_path).key("buildkit", {"one": "id"}, EPOCH))
    keys.append(context(tmp_path).key("engine", {"one": "other"}, EPOCH))
    keys.append(context(tmp_path).key("engine", {"one": "id"}, EPOCH + 1))
    keys.append(context(tmp_path, network=True).key("engine", {"one": "id"}, EPOCH))
    (tmp_path / "web" / "b.txt").write_text("changed", encoding="utf-8")
    keys.append(context(tmp_path).key("engine", {"one": "id"}, EPOCH))
    assert all(keys.count(key) == 1 for key in keys)
