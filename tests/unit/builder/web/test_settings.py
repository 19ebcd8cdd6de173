"""`sources.toml` is read strictly, and all its faults are told at their places."""

from pathlib import Path

import pytest

from builder.project import Project
from builder.web.settings import MavenRepository, Registry, Settings, read_settings
from bundle_format.errors import DefinitionError


def settings(folder: Path, text: str) -> Settings:
    (folder / "sources.toml").write_text(text, encoding="utf-8")
    return read_settings(Project(folder))


def test_a_project_may_say_nothing(tmp_path: Path) -> None:
    assert read_settings(Project(tmp_path)) == Settings()


def test_registries_and_repositories(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        '[registries."docker.io"]\nmirror = "mirror.example/hub"\n[registries."lab:5000"]\nplain_http = true\n'
        '[[maven.repositories]]\nid = "ours"\nurl = "https://repo.example/maven/"\nsnapshots = false\n',
    )
    assert found.registries == {
        "docker.io": Registry(mirror="mirror.example/hub"),
        "lab:5000": Registry(plain_http=True),
    }
    assert found.maven.repositories == (MavenRepository(id="ours", url="https://repo.example/maven", snapshots=False),)


def test_all_faults_are_told_at_their_places(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError) as caught:
        settings(tmp_path, '[registries.a]\nplain_htp = true\n[[maven.repositories]]\nid = "x"\nurl = "ftp://x"\n')
    assert caught.value.message.splitlines() == [
        "sources.toml:2:1: error: registries.a.plain_htp: unknown key",
        "sources.toml:5:1: error: maven.repositories.0.url: must begin with https://, http:// or file://",
    ]
    with pytest.raises(DefinitionError, match=r"sources\.toml:1:"):
        settings(tmp_path, "x = \n")
