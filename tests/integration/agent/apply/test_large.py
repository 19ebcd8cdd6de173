"""A layer of gigabytes on its way from a stick into an engine: little memory, nothing written but where it belongs."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from bundle_format.blob import Blob
from bundle_format.digest import Digest
from bundle_format.layout.frames import FRAME, plain_frame
from bundle_format.release.model import Release, Variant
from bundle_format.store import Store
from bundle_format.writer import carry, types_in
from tests.bundles import Shelved
from tests.images import busybox_layer, image_of
from tests.integration.agent.apply.conftest import ROOT, Agent
from tests.sparse import large_blob, write_large

pytestmark = pytest.mark.engine

MIB = 1 << 20

PROGRAM = """
import sys
from agent.cli.main import main
from tests.memory import peak_memory
try:
    main()
finally:
    print("peak", peak_memory())
"""

CONFINED = """
set -e
mount --make-rprivate /
mount --bind "$STATE" "$STATE"
mount --bind "$STATE.trust" "$STATE.trust"
for place in $(findmnt --list --noheadings --output TARGET); do
    case $place in "$STATE" | "$STATE.trust") ;; *) mount -o remount,bind,ro "$place" ;; esac
done
for place in "$STATE/.." /tmp /var/tmp /root; do
    if touch "$place/not-here" 2> /dev/null; then echo "can write to $place" >&2; exit 1; fi
done
exec "$@"
"""
"""Run a command that can write nowhere but to the agent's state and the mirror of its trust; the engine is outside."""


def huge_layer(number: int, count: int) -> bytes:
    """One frame of a layer that is one file of zeros."""
    member = tarfile.TarInfo("zeros")
    member.size = count * FRAME - 512 - 1024
    head = member.tobuf(tarfile.USTAR_FORMAT) if number == 0 else b""
    return head + bytes(FRAME - len(head))


class BesideHuge(Shelved):
    """Blobs in a store, and one that is in none."""

    def __init__(self, store: Store, huge: Blob) -> None:
        super().__init__(store)
        self._huge = huge

    def size(self, digest: Digest) -> int:
        return self._huge.size if digest == self._huge.digest else super().size(digest)


def make_huge(folder: Path, count: int) -> Path:
    """A bundle with an image of which one layer has `count` frames, none of them compressed, and a container of it."""
    store = Store(folder / "makers-store")
    huge = large_blob(count, lambda number: huge_layer(number, count), plain_frame, "layer")
    shelf = BesideHuge(store, huge.blob)
    small = shelf.put(busybox_layer())
    image = image_of(shelf, "shop/huge:1", [small, huge.blob.digest], huge.blob.size, Cmd=["sleep", "inf"])
    release = Release(
        product="shop",
        version="1",
        evaluator="test",
        sources={},
        images={"huge": image},
        variants=(
            Variant(
                when={},
                objects={
                    "host": {"server": {}},
                    "container": {"front": {"host": "server", "image": "huge", "stop_grace": 1}},
                },
            ),
        ),
    )
    types = types_in(release)
    carried = [huge if digest == huge.blob.digest else carry(store, digest, types[digest]) for digest in types]
    path = folder / "huge.floto"
    write_large(path, release, carried)
    return path


@pytest.mark.parametrize(
    "count", [pytest.param(96, id="384 MiB"), pytest.param(1075, id="4.2 GiB", marks=pytest.mark.slow)]
)
def test_memory_stays_flat_and_nothing_is_written_beside_the_state(site: Agent, count: int) -> None:
    bundle = make_huge(site.folder, count)
    assert bundle.stat().st_size > count * FRAME
    (site.folder / "site.toml").write_text(
        f'site = "krakow-1"\n[hosts.server]\nengine = "{site.engine.address}"\n', encoding="utf-8"
    )

    agent = [sys.executable, "-c", PROGRAM, "apply", str(bundle), "--yes", "--state", str(site.state)]
    told = subprocess.run(
        ["unshare", "--mount", "sh", "-c", CONFINED, "sh", *agent],
        cwd=site.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "STATE": str(site.state)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 0, told.stdout + told.stderr
    assert list(site.ids()) == ["front"]
    peak = int(told.stdout.split("peak ")[1])
    assert peak < 300 * MIB, f"{peak / MIB:.0f} MiB"
