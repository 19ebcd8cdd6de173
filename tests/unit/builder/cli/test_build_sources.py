"""What `build` says of sources that are not there, or are not what the definition or the lock says."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builder.cli.main import VERBS
from bundle_format.digest import digest_of
from bundle_format.errors import ExitCode
from bundle_format.terminal import run_program
from tests.faulty import FaultyServer, folder

Build = Callable[..., str]

DEFINITION = """project("shop", version = "1")
server = host("server", address = "10.0.0.1")
app = {image}
container("app", image = app, host = server)
"""
JAR = b"a jar"
MAVEN = 'image("app", files = {"/app.jar": artifact("com.acme:app:1.0"@)})'
DOWNLOAD = 'image("app", files = {"/tool": artifact("tool", url = "@URL/tool"@)})'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FaultyServer]:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "tool").write_bytes(b"a tool")
    with FaultyServer(folder(tmp_path / "served")) as server:
        yield server


@pytest.fixture
def floto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Build:
    """Run a verb for a project with one image and a Maven repository; returns what it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLOTO_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setenv("HOME", str(tmp_path))

    def run(*words: str, code: int = 0) -> str:
        ended = run_program("floto-builder", "test", "", VERBS, words)
        out, err = capsys.readouterr()
        assert ended == code, err
        return out + err

    Path("maven/com/acme/app/1.0").mkdir(parents=True)
    Path("maven/com/acme/app/1.0/app-1.0.jar").write_bytes(JAR)
    Path("web").mkdir()
    Path("web/Dockerfile").write_text("FROM scratch\n", "utf-8")
    Path("sources.toml").write_text(f'[[maven.repositories]]\nid = "ours"\nurl = "{(tmp_path / "maven").as_uri()}"\n')
    run("keygen", "shop", "--no-passphrase")
    return run


def define(image: str) -> None:
    Path("site.star").write_text(DEFINITION.format(image=image), encoding="utf-8")


def build(floto: Build, *options: str, code: int = 0) -> str:
    return floto("build", "--key", "keys/shop.key", "--sequence", "1", *options, code=code)


@pytest.mark.parametrize(
    ("image", "complaint"),
    [
        ('image("app", pull = "")', "image app: '' is no image reference"),
        ('image("app", pull = "x@sha256:123")', "image app: 'x@sha256:123' is no image reference"),
        ('image("app", build = "web", target = "no")', "image app (web/Dockerfile): the Dockerfile has no stage no"),
        ('image("app", files = {"/x": artifact("tool", url = "x")})', "artifact tool: download: x is no address"),
    ],
)
def test_what_can_never_be_had_is_told_with_its_name(floto: Build, image: str, complaint: str) -> None:
    define(image)
    assert complaint in build(floto, code=ExitCode.USAGE)


@pytest.mark.parametrize("image", [MAVEN, DOWNLOAD])
@pytest.mark.parametrize("locked", [False, True])
def test_what_is_not_as_the_definition_says_is_told_as_that(
    floto: Build, server: FaultyServer, image: str, *, locked: bool
) -> None:
    image = image.replace("@URL", server.url)
    if locked:
        define(image.replace("@", ""))
        floto("lock")
    define(image.replace("@", f', sha256 = "{"0" * 64}"'))
    assert "other content than the definition says" in build(floto, code=ExitCode.USAGE)


@pytest.mark.parametrize("image", [MAVEN, DOWNLOAD])
def test_a_size_that_is_not_as_the_lock_says_is_told(floto: Build, server: FaultyServer, image: str) -> None:
    define(image.replace("@URL", server.url).replace("@", ""))
    floto("lock")
    build(floto, "--locked")
    lock = Path("floto.lock").read_text("utf-8")
    Path("floto.lock").write_text(lock.replace("\nsize = ", "\nsize = 9"), "utf-8")
    said = build(floto, "--locked", code=ExitCode.USAGE)
    assert ", 9" in said and "not as floto.lock says" in said
    floto("lock")
    assert Path("floto.lock").read_text("utf-8") == lock


def test_the_lock_holds_files_that_sites_get_and_leaves_the_rest_of_the_project_to_git(floto: Build) -> None:
    define('image("app", files = {"/web": folder("web")})')
    with Path("site.star").open("a") as definition:
        definition.write('container("two", image = app, host = server, mounts = {"/etc/motd": file("motd")})\n')
    Path("motd").write_text("hello\n", "utf-8")
    floto("lock")
    Path("web/Dockerfile").write_text("FROM changed\n", "utf-8")
    build(floto, "--locked")
    Path("motd").write_text("changed\n", "utf-8")
    assert "file motd: sha256:" in build(floto, "--locked", code=ExitCode.USAGE)


def test_what_the_lock_pins_and_nobody_has_any_more_is_pinned_anew_by_its_name(
    floto: Build, server: FaultyServer
) -> None:
    reference = f"{server.host}/web:1"
    define(f'image("app", pull = "{reference}")')
    Path("floto.lock").write_text(
        f'format = "floto-lock/1"\n[images."{reference} linux/amd64"]\nmanifest = "{digest_of(b"gone")}"\n', "utf-8"
    )
    said = build(floto, code=ExitCode.USAGE)
    assert "answers 404" in said and f"floto.lock pins {reference} to it" in said
    assert f"floto-builder lock --upgrade {reference}" in said


def test_a_file_that_the_lock_pins_and_nobody_has_any_more_is_pinned_anew_by_its_name(floto: Build) -> None:
    define(MAVEN.replace("@", ""))
    floto("lock")
    Path("maven/com/acme/app/1.0/app-1.0.jar").unlink()
    said = build(floto, "--store", "another", code=ExitCode.USAGE)
    assert "is in no repository: ours" in said and "floto-builder lock --upgrade com.acme:app:1.0" in said
