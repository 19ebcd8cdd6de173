"""Secrets: read from files, environment and people; every fault at once, and never what they are."""

from pathlib import Path

import pytest

from bundle_format.errors import ParameterError
from bundle_format.release.model import Parameter
from bundle_format.site.hypervisors import SecretSource
from bundle_format.site.secret import MAX_SIZE, read_secrets
from bundle_format.site.sitefile import Site

PARAMETERS = {name: Parameter(type="secret") for name in ("one", "two", "three")}


def site(**sources: SecretSource) -> Site:
    return Site(name="krakow-1", choices={}, parameters={}, secrets=sources, file="site.toml")


def in_file(path: Path, content: bytes) -> SecretSource:
    path.write_bytes(content)
    return SecretSource(file=str(path))


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"hunter2", "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b"hunter2\n\n", "hunter2\n"),
        (b" hunter2 ", " hunter2 "),
        (b"\xef\xbb\xbfhunter2", "hunter2"),
    ],
)
def test_a_file_gives_the_secret_without_its_line_end(tmp_path: Path, content: bytes, secret: str) -> None:
    kept = site(one=in_file(tmp_path / "one", content))
    assert read_secrets(kept, PARAMETERS, {"one"}, {}, None) == {"one": secret}


def test_the_environment_and_a_person_give_secrets_too() -> None:
    kept = site(one=SecretSource(env="ONE"), two=SecretSource(prompt=True))
    assert read_secrets(kept, PARAMETERS, {"one", "two"}, {"ONE": "a"}, lambda name: f"typed {name}") == {
        "one": "a",
        "two": "typed two",
    }


def test_secrets_that_nobody_needs_are_left_alone() -> None:
    assert read_secrets(site(one=SecretSource(file="/nowhere")), PARAMETERS, set(), {}, None) == {}


def test_all_faults_are_told_at_once_and_nobody_types_in_vain(tmp_path: Path) -> None:
    kept = site(
        one=SecretSource(file=str(tmp_path / "one")), two=SecretSource(env="TWO"), three=SecretSource(prompt=True)
    )

    def ask(name: str) -> str:
        raise AssertionError(f"asked for {name} though others are missing")

    with pytest.raises(ParameterError) as refused:
        read_secrets(kept, PARAMETERS, PARAMETERS, {}, ask)
    assert refused.value.message.splitlines() == [
        f"site.toml:1:1: error: params.one: {tmp_path / 'one'} cannot be read: No such file or directory",
        "site.toml:1:1: error: params.two: the environment has no TWO",
    ]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "the secret is empty"),
        (b"\n", "the secret is empty"),
        ("hunter2".encode("utf-16"), "no UTF-8 text"),
        (b"hunter\x002", "NUL"),
        (b"x" * (MAX_SIZE + 1), "larger than 65536 bytes"),
    ],
)
def test_a_file_that_holds_no_usable_secret_is_told_by_its_path(tmp_path: Path, content: bytes, fault: str) -> None:
    with pytest.raises(ParameterError) as refused:
        read_secrets(site(one=in_file(tmp_path / "one", content)), PARAMETERS, {"one"}, {}, None)
    assert fault in refused.value.message
    assert "hunter" not in refused.value.message


def test_a_folder_is_no_secret(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="cannot be read"):
        read_secrets(site(one=SecretSource(file=str(tmp_path))), PARAMETERS, {"one"}, {}, None)


def test_a_secret_meets_its_pattern_and_is_not_quoted(tmp_path: Path) -> None:
    kept = site(one=in_file(tmp_path / "one", b"hunter2"))
    with pytest.raises(ParameterError) as refused:
        read_secrets(kept, {"one": Parameter(type="secret", pattern=".{12,}")}, {"one"}, {}, None)
    assert "the secret must match .{12,}" in refused.value.message
    assert "hunter2" not in refused.value.message


def test_without_a_terminal_nobody_is_asked() -> None:
    with pytest.raises(ParameterError, match="no terminal to ask at"):
        read_secrets(site(one=SecretSource(prompt=True)), PARAMETERS, {"one"}, {}, None)
