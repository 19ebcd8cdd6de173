"""What sticks do to bundles on their way: parts, damage, repairs from home, pipes."""

import random
import shutil
from pathlib import Path

import pytest

from bundle_format.errors import ExitCode
from tests.integration.chain.conftest import Home, Site

pytestmark = pytest.mark.engine


def hurt(source: Path, target: Path, *spans: tuple[int, int]) -> Path:
    """A copy with other bytes in these spans, as a stick with bad sectors gives them."""
    content = bytearray(source.read_bytes())
    for start, end in spans:
        content[start:end] = random.Random(start).randbytes(end - start)
    target.write_bytes(content)
    return target


def test_threat_14_parts_in_three_folders_are_applied_where_they_lie(
    home: Home, site: Site, first: Path, tmp_path: Path
) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    home.floto("split", first, "--size", "3MB", "--into", parts)
    sticks = [tmp_path / f"stick{number}" for number in range(3)]
    for number, part in enumerate(sorted(parts.iterdir())):
        sticks[number % 3].mkdir(exist_ok=True)
        part.rename(sticks[number % 3] / part.name)
    before = {path: path.stat().st_mtime_ns for stick in sticks for path in (stick, *stick.iterdir())}

    assert "shop-1-1.floto.002" in site.agent("plan", sticks[2], sticks[0], code=ExitCode.MISSING)
    said = site.agent("apply", sticks[2], sticks[0], sticks[1], "--yes")
    assert "trusted: shop 1, number 1 of stable, signed by shop" in said
    assert "days old" in said
    assert site.running() == {"front": "shop/app:1"}
    assert "nothing to do" in site.agent("apply", *sticks)
    assert {path: path.stat().st_mtime_ns for stick in sticks for path in (stick, *stick.iterdir())} == before


def test_threat_29_two_copies_with_different_damage_are_applied_together(
    site: Site, first: Path, tmp_path: Path
) -> None:
    half = first.stat().st_size // 2
    one = hurt(first, tmp_path / "one.floto", (half // 2, half // 2 + 9000), (0, 512))
    two = hurt(first, tmp_path / "two.floto", (half + half // 2, half + half // 2 + 9000))
    for alone in (one, two):
        site.agent("apply", alone, "--yes", code=ExitCode.DAMAGED)
    assert site.running() == {}
    assert "whole together" in site.agent("verify", one, "--also", two)
    site.agent("apply", one, "--also", two, "--yes")
    assert site.running() == {"front": "shop/app:1"}


def test_threat_29_a_damaged_copy_is_mended_from_home(home: Home, site: Site, first: Path, tmp_path: Path) -> None:
    size = first.stat().st_size
    bad = hurt(first, tmp_path / "bad.floto", (size // 2, size // 2 + 4096), (size - 9000, size - 8000))
    told = site.agent("verify", bad, "--report", "lost.json", code=ExitCode.DAMAGED)
    assert "of layer 2 of 2 of image app" in told
    report = tmp_path / "lost.json"
    assert report.stat().st_size < 4096

    home.floto("repair", first, "--report", report, "--output", tmp_path / "fix.floto-repair")

    assert (tmp_path / "fix.floto-repair").stat().st_size < size * 6 // 10
    site.agent("plan", bad, "--also", "fix.floto-repair")
    site.agent("apply", bad, "--also", "fix.floto-repair", "--yes")
    assert site.running() == {"front": "shop/app:1"}
    site.agent("repair", bad, "--also", "fix.floto-repair", "--output", "whole.floto")
    assert (tmp_path / "whole.floto").read_bytes() == first.read_bytes()


def test_a_bundle_is_applied_from_a_pipe(site: Site, first: Path) -> None:
    content = first.read_bytes()
    assert "Agree beforehand with --yes" in site.agent("apply", "-", stdin=content, code=ExitCode.USAGE)
    assert "create front" in site.agent("plan", "-", stdin=content)
    site.agent("apply", "-", "--yes", stdin=content)
    assert site.running() == {"front": "shop/app:1"}
    assert "nothing to do" in site.agent("apply", "-", "--yes", stdin=content)


def test_a_pipe_that_breaks_or_lies_changes_nothing(site: Site, first: Path) -> None:
    content = first.read_bytes()
    middle = len(content) // 2
    for bad in (content[:middle], content[:middle] + b"?" + content[middle + 1 :]):
        site.agent("apply", "-", "--yes", stdin=bad, code=ExitCode.DAMAGED)
    assert site.running() == {}
    shutil.rmtree(site.folder / "state" / "store", ignore_errors=True)
    site.agent("apply", "-", "--also", first, "--yes", stdin=content[:middle])
    assert site.running() == {"front": "shop/app:1"}
