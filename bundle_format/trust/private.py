"""Files that only their owner may change, and that are whole or absent (THREATS 37); keys and memory lie in such."""

import os
import secrets
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from bundle_format.durable import sync_folder
from bundle_format.errors import FlotoError, UnsafeFileError

LIMIT = 16 << 20
"""Bytes that `read_private` takes at most."""

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_PLAIN = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_FOLLOW = _PLAIN | getattr(os, "O_NOFOLLOW", 0)


def make_private_folder(folder: Path) -> None:
    """Make `folder` for its owner alone (0700), or make sure that it is so; UnsafeFileError when it is not."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unreachable(folder, error) from error
    _check(folder, folder.lstat(), stat.S_ISDIR, owned=True)


def read_private(path: Path) -> bytes:
    """The content of a file that belongs to who runs this, and that nobody else can read or change.

    FileNotFoundError when it is absent, UnsafeFileError when others have their hands on it, it is a link or too large.
    """
    return _read(path, _NO_FOLLOW, owned=True)


def read_key(path: Path) -> bytes:
    """The content of a private key's file, wherever a link leads to it and whoever lent it; else as `read_private`."""
    return _read(path, _PLAIN, owned=False)


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


def _read(path: Path, flags: int, *, owned: bool) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | flags)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreachable(path, error) from error
    with os.fdopen(descriptor, "rb") as file:
        _check(path, os.fstat(descriptor), stat.S_ISREG, owned=owned)
        content = file.read(LIMIT + 1)
    if len(content) > LIMIT:
        raise UnsafeFileError(f"{path} is larger than {LIMIT} bytes, which no file of its kind is")
    return content


def _check(path: Path, status: os.stat_result, is_kind: Callable[[int], bool], *, owned: bool) -> None:
    if not is_kind(status.st_mode):
        raise UnsafeFileError(f"{path} is a link, or not the kind of file it must be", "Find out who put it there.")
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
