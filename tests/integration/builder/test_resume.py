"""A build that is killed in the middle leaves a sound store, and the next one fetches only the rest."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bundle_format.store import Store
from tests import images, registries
from tests.faulty import FaultyServer, upstream
from tests.registries import PrivateRegistry

SIZES = (3_000_000, 4_000_000, 5_000_000)
DEFINITION = """project("big", version = "1")
server = host("server", address = param("address", type = "ip"))
container("big", image = image("big", pull = "@HOST@/big:1"), host = server)
"""


def floto(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "SOURCE_DATE_EPOCH": "1700000000"}
    command = [sys.executable, "-m", "builder.cli.main", *arguments]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_after_a_kill_only_the_rest_is_fetched(tmp_path: Path) -> None:
    if reason := registries.missing():
        pytest.skip(reason)
    with PrivateRegistry() as registry, FaultyServer(upstream(registry.url)) as server:
        layers = [images.layer({f"etc/{size}": random.Random(size).randbytes(size)}) for size in SIZES]
        registry.push("big:1", layers, "none")
        (tmp_path / "project").mkdir()
        (tmp_path / "project" / "site.star").write_text(DEFINITION.replace("@HOST@", server.host), encoding="utf-8")
        assert floto(tmp_path, "keygen", "big", "--no-passphrase").wait() == 0
        build = ("build", "project", "--key", "keys/big.key", "--store", "store")

        server.faults["/blobs/"] = ["no ranges", "no ranges", "stall", "stall"]  # the configuration and one layer pass
        killed = floto(tmp_path, *build)
        deadline = time.monotonic() + 60
        while _kept(tmp_path) < 5_500_000 and time.monotonic() < deadline:
            time.sleep(0.05)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        assert not list(tmp_path.glob("*.floto"))
        server.ended.set()
        server.faults.clear()

        before = len(server.asked)
        done = floto(tmp_path, *build)
        _, said = done.communicate()
        assert done.returncode == 0, said.decode()
        starts = [start for path, start in server.asked[before:] if "/blobs/" in path]
        assert len(starts) <= len(SIZES)
        assert any(starts), "no fetch went on from where the killed one was"
        whole = sum(SIZES) + 12 * 1024
        assert _fetched_anew(server, before) < whole * 3 // 4
        store = Store(tmp_path / "store")
        assert all(store.read_bytes(digest) is not None for digest in store)
        assert list((tmp_path / "store" / "partial").iterdir()) == []


def _kept(folder: Path) -> int:
    """Bytes that are in the store or on their way there."""
    places = [*(folder / "store").glob("partial/*"), *(folder / "store").glob("blobs/*/*")]
    return sum(place.stat().st_size for place in places if place.exists())


def _fetched_anew(server: FaultyServer, before: int) -> int:
    asked = ((path, start) for path, start in server.asked[before:] if "/blobs/" in path)
    return sum(len(server.backend(path, {}).content) - start for path, start in asked)
