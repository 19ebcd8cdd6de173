"""FAT32, as most sticks have it: parts are written to a real one and applied from where they lie (THREATS 30)."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle_format.split import FAT32
from tests.integration.chain.conftest import Home, Site

MIB = 1 << 20


def make_fat32(path: Path, size: int) -> Path:
    """An empty FAT32 of `size` bytes in a sparse file."""
    if not shutil.which("mkfs.vfat"):
        pytest.skip("NO FAT32 WAS TRIED: mkfs.vfat is not installed (Debian: dosfstools)")
    path.touch()
    os.truncate(path, size)
    subprocess.run(["mkfs.vfat", "-F", "32", path], check=True, capture_output=True)
    return path


def mounting(image: Path, place: Path) -> list[list[str | Path]]:
    """The commands that mount and unmount, by the kernel where it knows FAT, else in a program of its own."""
    if "\tvfat\n" in Path("/proc/filesystems").read_text("ascii"):
        return [["mount", "-o", "loop", image, place], ["umount", place]]
    if shutil.which("fusefat") and Path("/dev/fuse").exists():
        return [["fusefat", "-o", "rw+", image, place], ["fusermount", "-u", place]]
    pytest.skip("NO FAT32 WAS TRIED: the kernel has no vfat, and fusefat or /dev/fuse is lacking (Debian: fusefat)")


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Path]:
    """A mounted FAT32."""
    place = tmp_path / "stick"
    place.mkdir()
    mount, unmount = mounting(make_fat32(tmp_path / "fat32", 64 * MIB), place)
    subprocess.run(mount, check=True, capture_output=True)
    try:
        assert place.is_mount()
        yield place
    finally:
        subprocess.run(unmount, check=True)


@pytest.mark.engine
def test_threat_30_a_bundle_in_parts_is_applied_from_a_fat32_stick(
    home: Home, site: Site, first: Path, stick: Path
) -> None:
    said = home.floto("split", first, "--size", "4MiB", "--into", stick)
    parts = sorted(stick.glob("*.floto.*"))
    assert [part.stat().st_size for part in parts[:-1]] == [4 * MIB] * (len(parts) - 1)
    assert all(str(part) in said for part in parts)
    assert "whole" in site.agent("verify", stick)
    site.agent("apply", stick, "--yes")
    assert site.running() == {"front": "shop/app:1"}


def test_threat_30_fat32_takes_a_part_and_no_larger_file(tmp_path: Path) -> None:
    if not shutil.which("mcopy"):
        pytest.skip("NO FAT32 WAS TRIED: mcopy is not installed (Debian: mtools)")
    image = make_fat32(tmp_path / "fat32", 9 << 30)
    large = tmp_path / "large"
    large.touch()
    os.truncate(large, 1 << 32)
    refused = subprocess.run(["mcopy", "-i", image, large, "::large"], capture_output=True, text=True, check=False)
    assert "too big" in refused.stderr
    assert FAT32 < 1 << 32
