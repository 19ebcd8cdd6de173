"""Files that appear whole or not at all, and the places where none may appear."""

import errno
import os
import stat
from pathlib import Path

import pytest

from bundle_format.durable import check_place, whole_file
from bundle_format.errors import ExitCode, FlotoError, PreflightError


def write(path: Path, content: bytes = b"new") -> None:
    with whole_file(path) as stream:
        stream.write(content)


def test_a_regular_file_is_written_over_whole(tmp_path: Path) -> None:
    write(tmp_path / "a", b"old")
    write(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_a_pipe_in_a_files_place_stays_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FlotoError, match="pipe cannot be written: it is no regular file"):
        write(tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.parametrize("target", ["kept", "nothing"])
@pytest.mark.skipif(os.name == "nt", reason="Windows lets not everybody make links")
def test_a_link_is_neither_followed_nor_replaced(tmp_path: Path, target: str) -> None:
    (tmp_path / "kept").write_bytes(b"kept")
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(FlotoError, match="link cannot be written: it is a symbolic link") as refused:
        write(tmp_path / "link")
    assert refused.value.exit_code == ExitCode.USAGE
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "kept").read_bytes() == b"kept"
    assert not (tmp_path / "nothing").exists()


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "read").write_bytes(b"read")
    check_place(tmp_path / "other", [tmp_path / "read", tmp_path / "nothing"])
    with pytest.raises(FlotoError, match="it is one of the files that are read") as refused:
        check_place(tmp_path / "read", [tmp_path / "nothing", tmp_path / ".." / tmp_path.name / "read"], "Say another.")
    assert refused.value.hint == "Say another."


def test_a_place_that_cannot_be_written_is_told_by_its_own_name_with_a_hint(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250)  # one that is written beside it has too long a name
    with pytest.raises(PreflightError, match=f"{path.name} cannot be written: ") as refused:
        write(path)
    assert f".{path.name}.partial" not in refused.value.message
    assert refused.value.hint


def test_a_full_disk_ends_as_it_does_for_a_store_and_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(PreflightError, match="a cannot be written: No space left on device"),
        whole_file(tmp_path / "a"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []
