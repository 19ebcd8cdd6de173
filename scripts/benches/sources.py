"""How long a release of 40 jars and 3 images takes to build: from nothing, again, with one jar changed, and one by one.

A real registry and a Maven repository, on this machine, behind a server that takes its time before each answer.
"""

import hashlib
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from builder import gather, resolve
from tests.faulty import FaultyServer, folder, upstream
from tests.images import layer
from tests.registries import PrivateRegistry, missing

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 3
DELAY = 0.05
JARS, JAR = 40, 1 << 20
IMAGES, LAYERS, LAYER = 3, 4, 4 << 20
THREADS = max(gather.THREADS, resolve.THREADS)

DEFINITION = """project("bench", version = "1")
libraries = {{"/opt/lib%d.jar" % n: artifact("com.acme:lib%d:%s" % (n, "{changed}" if n == 0 else "1.0"))
    for n in range({jars})}}
images = [image("image%d" % n, pull = "{registry}/image%d:1" % n) for n in range({images})]
app = image("app", base = images[0], files = libraries, cmd = ["/bin/true"])
server = host("server", address = "10.0.0.1")
[container("c%d" % n, image = used, host = server) for n, used in enumerate(images + [app])]
"""
LAUNCHER = """import sys
from builder import gather, resolve
gather.THREADS = min(gather.THREADS, int(sys.argv[1]))
resolve.THREADS = min(resolve.THREADS, int(sys.argv[1]))
del sys.argv[1]
from builder.cli.main import main
main()
"""


class Bench:
    """A project with its servers."""

    def __init__(self, home: Path, opened: ExitStack) -> None:
        self.home = home
        registry = opened.enter_context(PrivateRegistry())
        self.registry = opened.enter_context(FaultyServer(upstream(registry.url), delay=DELAY))
        self.maven = opened.enter_context(FaultyServer(folder(home / "maven"), delay=DELAY))
        rng = random.Random(1)
        for number in range(IMAGES):
            layers = [layer({f"srv/{number}-{part}": rng.randbytes(LAYER)}) for part in range(LAYERS)]
            registry.push(f"image{number}:1", layers, "none")
        for number in range(JARS):
            self._deploy(f"lib{number}", "1.0", rng.randbytes(JAR))
        self._deploy("lib0", "1.1", rng.randbytes(JAR))
        (home / "project").mkdir()
        maven = f'[[maven.repositories]]\nid = "ours"\nurl = "{self.maven.url}"\n'
        (home / "project" / "sources.toml").write_text(maven, encoding="utf-8")
        self._floto("keygen", "bench", "--no-passphrase")

    def _deploy(self, name: str, version: str, content: bytes) -> None:
        place = self.home / "maven" / "com" / "acme" / name / version / f"{name}-{version}.jar"
        place.parent.mkdir(parents=True)
        place.write_bytes(content)
        checksum = place.with_name(f"{place.name}.sha512")
        checksum.write_text(hashlib.sha512(content).hexdigest(), encoding="ascii")

    def build(self, *, cold: bool = False, changed: str = "1.0", threads: int = THREADS) -> tuple[float, float]:
        """The seconds of a build: of the clock and of processors."""
        text = DEFINITION.format(changed=changed, registry=self.registry.host, jars=JARS, images=IMAGES)
        (self.home / "project" / "site.star").write_text(text, encoding="utf-8")
        if cold:
            shutil.rmtree(self.home / "store", ignore_errors=True)
        os.sync()
        (self.home / "bench.floto").unlink(missing_ok=True)
        start, before = time.perf_counter(), _busy()
        command = ("build", "project", "--key", "keys/bench.key", "--store", "store", "--output", "bench.floto")
        self._floto(*command, threads=threads)
        return time.perf_counter() - start, _busy() - before

    def _floto(self, *words: str, threads: int = THREADS) -> None:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "PYTHONPATH": str(ROOT)}
        environment["SOURCE_DATE_EPOCH"] = "1700000000"
        command = [sys.executable, "-c", LAUNCHER, str(threads), *words]
        subprocess.run(command, cwd=self.home, env=environment, check=True, capture_output=True)

    def rounds(self) -> Iterator[tuple[tuple[float, float], ...]]:
        """One build of each kind, by turns."""
        for _ in range(ROUNDS):
            alone = self.build(cold=True, threads=1)
            cold = self.build(cold=True)
            yield cold, self.build(), self.build(changed="1.1"), alone


def main() -> None:
    """Print the medians and what was asked for."""
    if reason := missing():
        sys.exit(reason)
    with tempfile.TemporaryDirectory(prefix="floto-bench-", dir="/var/tmp") as name, ExitStack() as opened:
        rounds = list(Bench(Path(name), opened).rounds())
    size = JARS * JAR + IMAGES * LAYERS * LAYER
    print(f"{JARS} jars, {IMAGES * LAYERS} layers, {size / 1e6:.0f} MB; each answer begins after {DELAY * 1000:.0f} ms")
    cold, warm, changed, alone = (list(zip(*kind, strict=True)) for kind in zip(*rounds, strict=True))
    kinds = {"cold": cold, "warm, nothing changed": warm, "one jar changed": changed, "cold, one by one": alone}
    for kind, (clock, busy) in kinds.items():
        print(f"{kind:<44} {median(clock):7.2f} s {median(busy):7.2f} CPU s")
    _judge("CPU: warm / cold", warm[1], cold[1], 0.6)
    _judge("CPU: one jar changed / cold", changed[1], cold[1], 0.8)
    _judge("clock: cold / cold, one by one", cold[0], alone[0], 0.8)
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


def _busy() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _judge(name: str, ours: Sequence[float], theirs: Sequence[float], target: float) -> None:
    ratio = median(one / other for one, other in zip(ours, theirs, strict=True))
    print(f"{name:<44} {ratio:9.2f} (at most {target:.2f}) {'reached' if ratio <= target else 'NOT REACHED'}")


if __name__ == "__main__":
    main()
