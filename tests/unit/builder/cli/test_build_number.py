"""The number of a release: as many as the project has commits, unless it is told; and whom a bundle is for."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bundle_format.errors import ExitCode
from bundle_format.release.model import OLDEST_AGENT

DEFINITION = """project("small", version = "1")
server = host("server", address = "10.0.0.1")
container("app", image = image("app", files = {"/srv": folder("www")}, cmd = ["/srv/run"]), host = server)
"""
GIT = {f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


class Makers:
    """A project, a key, and git."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.project = home / "project"
        self.write("site.star", DEFINITION)
        self.write("www/run", "1")
        self.floto("keygen", "small", "--no-passphrase")

    def write(self, name: str, text: str) -> None:
        (self.project / name).parent.mkdir(parents=True, exist_ok=True)
        (self.project / name).write_text(text, encoding="utf-8")

    def git(self, *words: str, at: Path | None = None) -> None:
        command = ["git", "-C", str(at or self.project), *words]
        subprocess.run(command, check=True, env={**os.environ, **GIT}, stdout=subprocess.DEVNULL)

    def commit(self, name: str, text: str) -> None:
        self.write(name, text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "change")

    def floto(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-m", "builder.cli.main", *map(str, words)]
        return subprocess.run(command, cwd=self.home, env=environment, capture_output=True, text=True, check=False)

    def build(self, *options: str | Path, project: Path | None = None) -> tuple[dict[str, Any], str]:
        done = self.floto("build", project or self.project, "--key", "keys/small.key", "--json", *options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), done.stderr


@pytest.fixture
def makers(tmp_path: Path) -> Makers:
    return Makers(tmp_path)


def test_a_release_has_the_number_of_its_commits(makers: Makers) -> None:
    makers.git("init", "-q", "-b", "main")
    makers.commit("www/run", "1")
    told, said = makers.build()
    assert told["sequence"] == 1 and "warning" not in said
    makers.commit("www/run", "2")
    assert makers.build()[0]["sequence"] == 2
    assert makers.build("--sequence", "77")[0]["sequence"] == 77


def test_a_merge_never_lowers_it(makers: Makers) -> None:
    makers.git("init", "-q", "-b", "main")
    makers.commit("www/run", "1")
    makers.git("checkout", "-q", "-b", "fix")
    makers.commit("www/run", "3")
    makers.git("checkout", "-q", "main")
    makers.commit("www/run", "2")
    makers.commit("www/run", "3")
    before = makers.build()[0]["sequence"]
    makers.git("merge", "-q", "--no-ff", "-m", "merge", "fix")
    assert (before, makers.build()[0]["sequence"]) == (3, 4)


def test_what_lies_beside_the_project_does_not_count(makers: Makers) -> None:
    makers.git("init", "-q", "-b", "main", at=makers.home)
    makers.git("add", "project", at=makers.home)
    makers.git("commit", "-q", "-m", "project", at=makers.home)
    makers.git("commit", "-q", "--allow-empty", "-m", "other things", at=makers.home)
    assert makers.build()[0]["sequence"] == 1


def test_what_is_not_committed_is_told(makers: Makers) -> None:
    makers.git("init", "-q", "-b", "main")
    makers.commit("www/run", "1")
    makers.write("www/run", "2")
    told, said = makers.build()
    assert told["sequence"] == 1 and "what is built is not committed; this is number 1" in said


def test_nothing_is_guessed_without_git_or_with_half_of_its_history(makers: Makers) -> None:
    told, said = makers.build()
    assert told["sequence"] == 1 and "git cannot count the project's commits" in said
    makers.git("init", "-q", "-b", "main")
    makers.commit("www/run", "1")
    makers.commit("www/run", "2")
    shallow = makers.home / "shallow"
    makers.git("clone", "-q", "--depth=1", f"file://{makers.project}", str(shallow))
    told, said = makers.build(project=shallow)
    assert told["sequence"] == 1 and "or a shallow clone" in said


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", "9007199254740992"])
def test_a_number_that_is_none_is_refused(makers: Makers, number: str) -> None:
    done = makers.floto("build", makers.project, "--key", "keys/small.key", f"--sequence={number}")
    assert done.returncode == 2 and f"{number!r} is no number from 1 on" in done.stderr


def test_a_release_does_not_expire_before_it_is_made(makers: Makers) -> None:
    made = makers.floto("build", makers.project, "--key", "keys/small.key", "--expires", "1999-12-31")
    assert made.returncode == 2 and "--expires is before 2000-01-01" in made.stderr
    makers.build("--expires", "2000-01-01")


def test_a_bundle_says_which_sites_and_agents_it_is_for(makers: Makers) -> None:
    makers.build("--only-for", "krakow-1", "--only-for", "brno")
    told = json.loads(makers.floto("inspect", "small-1.floto", "--json").stdout)
    assert (told["sites"], told["agent"], told["architectures"]) == (
        ["krakow-1", "brno"],
        OLDEST_AGENT,
        ["linux/amd64"],
    )
    assert "for       krakow-1, brno" in makers.floto("inspect", "small-1.floto").stdout
    refused = makers.floto("build", makers.project, "--key", "keys/small.key", "--only-for", "../x")
    assert refused.returncode == 2 and "'../x' is no name of a site" in refused.stderr


def test_a_release_build_is_of_what_is_locked_and_committed(makers: Makers) -> None:
    build = ("build", makers.project, "--key", "keys/small.key", "--release")
    assert "is not in git" in makers.floto(*build).stderr
    makers.git("init", "-q", "-b", "main")
    makers.commit("www/run", "1")
    assert "has no floto.lock" in makers.floto(*build).stderr
    makers.floto("lock", makers.project)
    assert "is changed since its last commit" in makers.floto(*build).stderr
    makers.commit("www/run", "2")
    assert makers.floto(*build).returncode == 0
    assert not revision_in(makers).endswith("-dirty")
    makers.write("www/new", "unknown to git, and yet in the folder")
    refused = makers.floto(*build, "--output", "dirty.floto")
    assert (refused.returncode, (makers.home / "dirty.floto").exists()) == (ExitCode.USAGE, False)
    assert "is changed since its last commit" in refused.stderr
    makers.build("--output", "small-1.floto")
    assert revision_in(makers).endswith("-dirty")


def revision_in(makers: Makers) -> str:
    provenance = json.loads(makers.floto("inspect", "small-1.floto", "--provenance").stdout)
    revision: str = provenance["predicate"]["buildDefinition"]["internalParameters"]["revision"]
    return revision
