"""The keys that a verb works with, and where a passphrase comes from: never the command line."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from bundle_format.errors import FlotoError, MissingError, SigningKeyError
from bundle_format.terminal import Terminal
from bundle_format.trust.private import read_key
from bundle_format.trust.signing import PublicKey, Signer, needs_passphrase, public_from_pem, signer_from_pem


def add_passphrase_options(parser: ArgumentParser, *, new: bool = False) -> None:
    """Say where a passphrase is, for those whom nobody can ask; `new` lets a new key do without one."""
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--passphrase-file", metavar="FILE", type=Path, help="the passphrase is FILE's first line")
    choice.add_argument("--passphrase-env", metavar="NAME", help="the passphrase is in environment variable NAME")
    if new:
        choice.add_argument("--no-passphrase", action="store_true", help="whoever gets hold of the key's file can sign")


def read_signer(path: Path, arguments: Namespace, terminal: Terminal) -> Signer:
    """The private key at `path`; asks for its passphrase where it has one and no option says where that is."""
    try:
        pem = read_key(path)
    except FileNotFoundError as error:
        raise MissingError(f"{path}: no such key", "Make one: floto-builder keygen") from error
    passphrase = b""
    if needs_passphrase(pem):
        given = given_passphrase(arguments)
        passphrase = terminal.secret(f"passphrase of {path}").encode() if given is None else given
    try:
        return signer_from_pem(pem, passphrase)
    except SigningKeyError as error:
        raise SigningKeyError(f"{path}: {error.message}", error.hint) from error


def read_public(path: Path) -> PublicKey:
    """The public key at `path`."""
    try:
        return public_from_pem(path.read_bytes())
    except OSError as error:
        raise FlotoError(f"{path} cannot be read: {error.strerror}") from error
    except SigningKeyError as error:
        raise SigningKeyError(f"{path}: {error.message}", error.hint) from error


def new_passphrase(arguments: Namespace, terminal: Terminal) -> bytes:
    """The passphrase for a new key: empty only with --no-passphrase, or when a person twice typed nothing."""
    if arguments.no_passphrase:
        return b""
    given = given_passphrase(arguments)
    if given is not None:
        if not given:
            raise SigningKeyError("the passphrase is empty", "Fill it in, or say --no-passphrase.")
        return given
    typed = terminal.secret("passphrase for the new key (empty for none)")
    if terminal.secret("the same once more") != typed:
        raise SigningKeyError("the two passphrases differ; no key was made")
    return typed.encode()


def given_passphrase(arguments: Namespace) -> bytes | None:
    """What the options say, None when they say nothing; SigningKeyError when it is not where they say."""
    if arguments.passphrase_file:
        try:
            content: bytes = arguments.passphrase_file.read_bytes()
        except OSError as error:
            raise SigningKeyError(f"{arguments.passphrase_file} cannot be read: {error.strerror}") from error
        return content.split(b"\n", 1)[0].removesuffix(b"\r")
    if arguments.passphrase_env:
        try:
            return os.environ[arguments.passphrase_env].encode()
        except KeyError as error:
            raise SigningKeyError(f"environment variable {arguments.passphrase_env} is not set") from error
    return None
