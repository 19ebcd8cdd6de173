"""Paths of a definition stay inside its folder."""

import os
from pathlib import Path

import pytest

from builder.project import Project, check_path
from bundle_format.digest import digest_of
from bundle_format.errors import DefinitionError


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    (root / "web").mkdir(parents=True)
    (root / "web" / "index.html").write_text("hello", encoding="utf-8")
    (root / "web" / "b").mkdir()
    (root / "web" / "a.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    (root / "web" / "a.sh").chmod(0o700)
    (tmp_path / "secret").write_text("outside", encoding="utf-8")
    return Project(root)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../secret",
        "web/../../secret",
        "web//index.html",
        "./web",
        "web\\x",
        "c:/x",
        "a\nb",
        "a\x1b[0m",
    ],
)
def test_threat_20_paths_that_are_not_plain_are_refused(name: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        check_path(name)
    assert caught.value.message.isprintable()


def test_threat_20_a_link_out_of_the_project_is_refused(project: Project) -> None:
    (project.root / "out").symlink_to("../secret")
    (project.root / "away").symlink_to("..")
    with pytest.raises(DefinitionError, match="leads out of the project"):
        project.file("out")
    with pytest.raises(DefinitionError, match="leads out of the project"):
        project.file("away/secret")
    with pytest.raises(DefinitionError, match="leads out of the project"):
        list(project.members("."))


def test_a_link_in_a_circle_is_told(project: Project) -> None:
    (project.root / "one").symlink_to("two")
    (project.root / "two").symlink_to("one")
    with pytest.raises(DefinitionError):
        project.file("one")


def test_members_come_sorted_with_kind_and_content(project: Project) -> None:
    (project.root / "web" / "z").symlink_to("index.html")
    members = list(project.members("web"))
    assert [(member.path, member.kind) for member in members] == [
        ("a.sh", "file"),
        ("b", "folder"),
        ("index.html", "file"),
        ("z", "link"),
    ]
    assert [member.executable for member in members] == [True, False, False, False]
    assert members[2].digest() == digest_of(b"hello")
    assert members[3].target == "index.html"


def test_what_is_neither_file_nor_folder_is_refused(project: Project) -> None:
    os.mkfifo(project.root / "web" / "pipe")
    with pytest.raises(DefinitionError, match="neither a file"):
        list(project.members("web"))


def test_what_is_left_out_is_not_looked_at(project: Project) -> None:
    os.mkfifo(project.root / "web" / "pipe")
    (project.root / "web" / "b" / "kept").touch()
    members = project.members("web", lambda path: path in {"pipe", "b", "a.sh"})
    assert [member.path for member in members] == ["b/kept", "index.html"]


@pytest.mark.parametrize(("name", "fault"), [("nowhere", "no such folder"), ("secret", "not a folder")])
def test_a_project_is_a_folder(tmp_path: Path, project: Project, name: str, fault: str) -> None:
    with pytest.raises(DefinitionError, match=fault):
        Project(tmp_path / name)


def test_missing_files_name_the_folder_looked_in(project: Project) -> None:
    with pytest.raises(DefinitionError, match="no such file") as caught:
        project.file("web/nothing.txt")
    assert str(project.root) in caught.value.hint
