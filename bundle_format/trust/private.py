"""Files that only their owner may change, and that are whole or absent (THREATS 37); keys and memory lie in such."""

import os
import secrets
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from bundle_format.durable import sync_folder
from bundle_format.errors import FlotoError, SigningKeyError, UnsafeFileError

LIMIT = 16 << 20
"""Bytes that `read_private` takes at most."""

_PRIVATE_KEY = b"PRIVATE KEY-----"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_PLAIN = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_FOLLOW = _PLAIN | getattr(os, "O_NOFOLLOW", 0)


def make_private_folder(folder: Path) -> None:
    """Make `folder` for its owner alone (0700), or make sure that it is so; UnsafeFileError when it is not."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unreachable(folder, error) from error
    status = folder.lstat()
    _check_kind(folder, status, stat.S_ISDIR)
    _check_alone(folder, status, owned=True)


def read_private(path: Path) -> bytes:
    """The content of a file that belongs to who runs this, and that nobody else can read or change.

    FileNotFoundError when it is absent, UnsafeFileError when others have their hands on it, it is a link or too large.
    """
    content, status = _read(path, _NO_FOLLOW)
    _check_alone(path, status, owned=True)
    return content


def read_key(path: Path) -> bytes:
    """The content of a private key's file, wherever a link leads to it and whoever lent it; else as `read_private`.

    SigningKeyError when it is the file of something else, to which others may well have access.
    """
    content, status = _read(path, _PLAIN)
    if _PRIVATE_KEY not in content:
        raise SigningKeyError(f"{path} holds no private key", "Name the private one: keygen writes it as NAME.key.")
    _check_alone(path, status, owned=False)
    return content


def write_new(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write a file that must not be there yet; FlotoError when it is."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, mode)
    except FileExistsError as error:
        raise FlotoError(f"{path} exists already, and is left as it is", "Choose another folder or name.") from error
    except OSError as error:
        raise _unreachable(path, error) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def replace_private(path: Path, content: bytes) -> None:
    """Put `content` in the place of the file at `path` or of nothing, all at once and for its owner alone (0600)."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        write_new(beside, content)
        beside.replace(path)
    except OSError as error:
        raise _unreachable(path, error) from error
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)


def _read(path: Path, flags: int) -> tuple[bytes, os.stat_result]:
    try:
        with open(path, "rb", opener=lambda name, _: os.open(name, os.O_RDONLY | flags)) as file:
            status = os.fstat(file.fileno())
            _check_kind(path, status, stat.S_ISREG)
            content = file.read(LIMIT + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreachable(path, error) from error
    if len(content) > LIMIT:
        raise UnsafeFileError(f"{path} is larger than {LIMIT} bytes, which no file of its kind is")
    return content, status


def _check_kind(path: Path, status: os.stat_result, is_kind: Callable[[int], bool]) -> None:
    if not is_kind(status.st_mode):
        raise UnsafeFileError(f"{path} is a link, or not the kind of file it must be", "Find out who put it there.")


def _check_alone(path: Path, status: os.stat_result, *, owned: bool) -> None:
    if sys.platform == "win32":
        return
    if owned and status.st_uid != os.geteuid():
        raise UnsafeFileError(
            f"{path} belongs to user {status.st_uid}, not to {os.geteuid()} who runs this",
            "Run as its owner, or find out who put it there.",
        )
    if status.st_mode & _OTHERS:
        raise UnsafeFileError(
            f"{path} is open to others (mode {stat.S_IMODE(status.st_mode):04o})",
            f"If nobody else can have touched it: chmod go= {path}",
        )


def _unreachable(path: Path, error: OSError) -> FlotoError:
    return FlotoError(f"{path} cannot be reached: {error.strerror}", "Check the path, and whom this runs as.")
