"""Packing and verifying against what the machine could do at best, and against docker save: medians of pairs.

Layers are made of what every machine with this project has: libraries, a JDK, programs, and an archive like a jar.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from statistics import median

from builder.sources.engine import Engine
from bundle_format.progress import Silence
from bundle_format.reader import open_bundle
from bundle_format.release.model import File, Release, Variant
from bundle_format.store import Store
from bundle_format.trust.trust import trust_in
from bundle_format.writer import Heading, types_in, write_bundle
from tests.bundles import ISSUED, key, root_document
from tests.engines import PrivateEngine, missing

FOLDERS = ("usr/lib/x86_64-linux-gnu", "usr/lib/jvm", "usr/bin", "usr/lib/python3", "usr/share/doc")
JAR = "usr/lib/python3.11"
PAIRS = 5
THREADS = 2


@dataclass(frozen=True)
class Row:
    """Seconds of ours and of theirs, the ratio's median over pairs, and what the ratio shall be at most."""

    name: str
    ours: float
    theirs: float
    ratio: float
    target: float

    def __str__(self) -> str:
        verdict = "reached" if self.ratio <= self.target else "NOT REACHED"
        return (
            f"{self.name:<44} {self.ours:7.2f} s {self.theirs:7.2f} s  "
            f"{self.ratio:5.2f} (at most {self.target:.2f}) {verdict}"
        )


def paired(name: str, target: float, ours: Callable[[], float], theirs: Callable[[], float]) -> Row:
    """Run both by turns; each tells its seconds."""
    pairs = [(ours(), theirs()) for _ in range(PAIRS)]
    return Row(
        name,
        median(one for one, _ in pairs),
        median(other for _, other in pairs),
        median(one / other for one, other in pairs),
        target,
    )


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes, with nothing of before still being written."""
    os.sync()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class Bench:
    """The layers, and a folder for everything that is made of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layers = [*_tars(folder), _jar_layer(folder)]
        self.bundle = folder / "bench.floto"
        self.saved = folder / "saved.zst"
        self._change = 0

    def cold_pack(self) -> None:
        """From raw layers to a signed bundle, with an empty store; two layers at a time, as gathering does it."""
        shutil.rmtree(self.folder / "store", ignore_errors=True)
        self.pack()

    def pack(self) -> None:
        """The same with whatever the store has."""
        self.bundle.unlink(missing_ok=True)
        store = Store(self.folder / "store", threads=THREADS)
        with ThreadPoolExecutor(THREADS) as pool:
            blobs = list(pool.map(lambda path: _added(store, path), self.layers))
        files = {path.name: blob for path, blob in zip(self.layers, blobs, strict=True)}
        variants = (Variant(when={}, objects={}),)
        release = Release(product="shop", version="1", evaluator="bench", sources={}, files=files, variants=variants)
        write_bundle(
            self.bundle,
            release,
            tuple(types_in(release)),
            store,
            header=Heading(channel="stable", sequence=1, issued=ISSUED),
            signers=[key("acme")],
            root_chain=[],
            progress=Silence(),
        )

    def changed_pack(self) -> float:
        """The seconds of a pack after one jar has changed."""
        self._change += 1
        _jar_layer(self.folder, str(self._change).encode())
        return seconds(self.pack)

    def pack_from(self, engine: Engine, images: list[str]) -> None:
        """From an engine's images to a bundle, with an empty store."""
        shutil.rmtree(self.folder / "store", ignore_errors=True)
        engine.save(images, Store(self.folder / "store", threads=THREADS), Silence())
        self.pack()

    def sha256sum(self) -> None:
        """What a careful person does without floto."""
        subprocess.run(["sha256sum", self.bundle], check=True, stdout=subprocess.DEVNULL)

    def verify(self) -> None:
        """Every byte of the bundle."""
        with open_bundle(self.bundle, trust_in(root_document("acme")), threads=THREADS) as bundle:
            assert bundle.verify(Silence()) == []

    def limit(self) -> float:
        """The slowest of what cannot be done without: reading, hashing, compressing, writing."""
        return max(map(seconds, (self._read, self._hash, self._compress, self._write)))

    def _read(self) -> None:
        for _ in self._pieces():
            pass

    def _hash(self) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(_hashed, self.layers))

    def _compress(self) -> None:
        target = self.folder / "limit.zst"
        cat = subprocess.Popen(["cat", *self.layers], stdout=subprocess.PIPE)
        subprocess.run(["zstd", "-q", f"-T{THREADS}", "-3", "-f", "-o", target], stdin=cat.stdout, check=True)
        cat.wait()

    def _write(self) -> None:
        left = self.bundle.stat().st_size
        block = os.urandom(4 << 20)
        with (self.folder / "written").open("wb") as file:
            while left > 0:
                left -= file.write(block[:left])
            os.fsync(file.fileno())

    def _pieces(self) -> Iterator[bytes]:
        for path in self.layers:
            with path.open("rb", buffering=0) as file:
                while piece := file.read(4 << 20):
                    yield piece


def _added(store: Store, path: Path) -> File:
    """As a lock tells it: a layer whose digest is known and here is not read again."""
    known = path.with_suffix(".digest")
    if known.exists() and known.stat().st_mtime_ns > path.stat().st_mtime_ns:
        digest, size = known.read_text(encoding="ascii"), path.stat().st_size
        if digest in store:
            return File(digest=digest, size=size)
    with path.open("rb", buffering=0) as file:
        blob = store.add(file)
    known.write_text(blob.digest, encoding="ascii")
    return File(digest=blob.digest, size=blob.size)


def _hashed(path: Path) -> str:
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tars(folder: Path) -> Iterator[Path]:
    for number, source in enumerate(FOLDERS):
        path = folder / f"layer{number}.tar"
        subprocess.run(
            ["tar", "-C", "/", "-cf", path, "--exclude=*.pyc", source], check=True, stderr=subprocess.DEVNULL
        )
        yield path


def _jar_layer(folder: Path, changed: bytes = b"") -> Path:
    """A tar with an archive of deflated files in it, as a jar is."""
    jar, path = folder / "app.jar", folder / "jars.tar"
    with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(Path("/", JAR).rglob("*.py")):
            archive.write(file)
        archive.writestr("changed", changed)
    subprocess.run(["tar", "-C", folder, "-cf", path, jar.name], check=True)
    return path


def rows_of_format(bench: Bench) -> Iterator[Row]:
    """What needs no engine."""
    cold = partial(seconds, bench.cold_pack)
    cold()
    yield paired("cold pack / slowest of read, hash, zstd -3, write", 1.15, cold, bench.limit)
    yield paired("verify / sha256sum", 1.0, partial(seconds, bench.verify), partial(seconds, bench.sha256sum))
    yield paired("pack with one jar changed / cold pack", 0.1, bench.changed_pack, cold)


def rows_of_engine(bench: Bench) -> Iterator[Row]:
    """The same layers as images of an engine."""
    with PrivateEngine() as engine:
        images = [engine.docker("import", str(path), f"bench:{number}") for number, path in enumerate(bench.layers)]

        def save() -> None:
            command = f"docker --host={engine.address} save {' '.join(images)} | zstd -q -T0 -3 -f -o {bench.saved}"
            subprocess.run(command, shell=True, check=True)

        saving = partial(seconds, save)
        yield paired("cold pack / docker save | zstd -T0 -3", 0.5, partial(seconds, bench.cold_pack), saving)
        with Engine(engine.address) as source:
            packing = partial(seconds, partial(bench.pack_from, source, images))
            yield paired("pack from an engine / docker save | zstd", 0.9, packing, saving)
        size, theirs = bench.bundle.stat().st_size, bench.saved.stat().st_size
        yield Row("bytes: bundle / docker save | zstd", size / 1e6, theirs / 1e6, size / theirs, 1.0)


def main() -> None:
    """Print a row for each comparison as soon as it is known."""
    with tempfile.TemporaryDirectory(prefix="floto-bench-", dir="/var/tmp") as folder:
        bench = Bench(Path(folder))
        size = sum(path.stat().st_size for path in bench.layers)
        print(f"{size / 1e6:.0f} MB in {len(bench.layers)} layers; medians of {PAIRS} pairs, ratios of each pair")
        for row in chain(rows_of_format(bench), () if missing() else rows_of_engine(bench)):
            print(row, flush=True)


if __name__ == "__main__":
    main()
