"""Where the passphrase of a private key comes from."""

import io
import re
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from builder.cli.signing_key import add_passphrase_options, new_passphrase, read_public, read_signer
from bundle_format.errors import FlotoError, MissingError, SigningKeyError
from bundle_format.terminal import Terminal
from tests.bundles import key


class Person(Terminal):
    """Somebody at a terminal who types these words, unseen."""

    def __init__(self, *words: str) -> None:
        super().__init__(io.StringIO(), io.StringIO(), io.StringIO())
        self._words = list(words)

    def secret(self, question: str) -> str:
        return self._words.pop(0)


def arguments(*options: str) -> Namespace:
    parser = ArgumentParser()
    add_passphrase_options(parser, new=True)
    return parser.parse_args(options)


def test_a_new_passphrase_is_typed_twice_alike() -> None:
    assert new_passphrase(arguments(), Person("open sesame", "open sesame")) == b"open sesame"
    assert new_passphrase(arguments(), Person("", "")) == b""
    with pytest.raises(SigningKeyError, match="differ"):
        new_passphrase(arguments(), Person("open sesame", "open sesam"))


def test_options_answer_in_a_persons_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    word = tmp_path / "word"
    word.write_bytes(b"open sesame\r\nand more\n")
    monkeypatch.setenv("WORD", "sesame")
    assert new_passphrase(arguments("--passphrase-file", str(word)), Person()) == b"open sesame"
    assert new_passphrase(arguments("--passphrase-env", "WORD"), Person()) == b"sesame"
    assert new_passphrase(arguments("--no-passphrase"), Person()) == b""


def test_an_option_that_says_nothing_is_no_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", "")
    monkeypatch.delenv("NOTHING", raising=False)
    for options in (("--passphrase-env", "WORD"), ("--passphrase-env", "NOTHING"), ("--passphrase-file", "/missing")):
        with pytest.raises(SigningKeyError):
            new_passphrase(arguments(*options), Person())


def test_a_locked_key_asks_and_an_open_one_does_not(tmp_path: Path) -> None:
    for name, content in (("locked", key("ann").to_pem(b"sesame", b"\1" * 32)), ("open", key("ann").to_pem())):
        path = tmp_path / name
        path.write_bytes(content)
        path.chmod(0o600)
        assert read_signer(path, arguments(), Person("sesame")).public == key("ann").public
    with pytest.raises(MissingError, match="no such key"):
        read_signer(tmp_path / "missing", arguments(), Person())


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_file_of_something_else_is_told_as_that_whatever_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "ann.pub"
    path.write_bytes(key("ann").public.to_pem())
    path.chmod(mode)
    with pytest.raises(SigningKeyError, match=r"ann\.pub holds no private key"):
        read_signer(path, arguments(), Person())


def test_a_folder_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(FlotoError, match=re.escape(f"{tmp_path} cannot be reached: Is a directory")):
        read_signer(tmp_path, arguments(), Person())


def test_a_key_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ann.key"
    path.write_bytes(key("ann").to_pem(b"sesame", b"\1" * 32))
    path.chmod(0o600)
    with pytest.raises(SigningKeyError, match=r"ann\.key: the private key cannot be read: the passphrase is wrong"):
        read_signer(path, arguments(), Person("sesam"))


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "ann.pub: the public key cannot be read"), (None, "ann.pub cannot be read: No such")]
)
def test_a_public_key_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "ann.pub"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FlotoError, match=message):
        read_public(path)


def test_a_key_may_be_lent_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "ann.key").write_bytes(key("ann").to_pem())
    (tmp_path / "ann.key").chmod(0o600)
    (tmp_path / "link").symlink_to("ann.key")
    assert read_signer(tmp_path / "link", arguments(), Person()).public == key("ann").public
