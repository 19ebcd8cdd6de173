"""VMDKs as hypervisors import them: qemu-img, which reads them by itself, finds nothing wrong and the same disk."""

import io
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from agent.targets.vmdk import GRAIN, SECTOR, stream_optimized
from bundle_format.errors import DamageError
from bundle_format.parallel import Workers

pytestmark = pytest.mark.skipif(not shutil.which("qemu-img"), reason="not installed: qemu-utils (Debian package)")

TABLE = 512 * GRAIN
CONTENT = (random.Random(3).randbytes(2 * GRAIN + 700) + b"text " * 50_000).ljust(750 * SECTOR, b"\0")
DISKS = {
    "one sector": bytes(SECTOR - 1) + b"x",
    "nothing": bytes(3 * TABLE),
    "no whole grain": CONTENT.ljust(9 * GRAIN + SECTOR, b"\0"),
    "just a table": CONTENT.ljust(TABLE, b"\0"),
    "a table of nothing": CONTENT + bytes(2 * TABLE) + CONTENT.ljust(6 * GRAIN, b"\0"),
    "noise": random.Random(4).randbytes(TABLE + GRAIN),
}


def written(raw: bytes, threads: int = 2) -> bytes:
    with Workers(threads) as pool:
        return b"".join(stream_optimized(io.BytesIO(raw), len(raw), pool))


@pytest.mark.parametrize("raw", DISKS.values(), ids=DISKS)
def test_another_reader_sees_the_same_disk(tmp_path: Path, raw: bytes) -> None:
    vmdk = tmp_path / "disk.vmdk"
    vmdk.write_bytes(written(raw))
    subprocess.run(["qemu-img", "check", "-q", "-f", "vmdk", vmdk], check=True)
    subprocess.run(["qemu-img", "convert", "-f", "vmdk", "-O", "raw", vmdk, tmp_path / "disk.raw"], check=True)
    whole_grains = raw.ljust(-(-len(raw) // GRAIN) * GRAIN, b"\0")
    assert (tmp_path / "disk.raw").read_bytes() == whole_grains


def test_grains_of_zeros_take_no_room() -> None:
    assert len(written(DISKS["a table of nothing"])) < 2 * len(CONTENT)
    assert len(written(DISKS["nothing"])) == 133 * SECTOR


def test_the_same_disk_is_the_same_bytes() -> None:
    assert written(DISKS["noise"], threads=1) == written(DISKS["noise"], threads=4)


@pytest.mark.parametrize("wrong", [-GRAIN, -SECTOR, SECTOR, TABLE, 1])
def test_a_disk_of_another_size_is_told(wrong: int) -> None:
    raw = DISKS["noise"]
    with Workers(2) as pool, pytest.raises(DamageError):
        for _ in stream_optimized(io.BytesIO(raw), len(raw) + wrong, pool):
            pass
