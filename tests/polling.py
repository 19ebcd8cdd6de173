"""A customer who asks a shop again and again, from the network of its engine: how long it lets him wait."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

from tests.engines import PrivateEngine

_POLL = """
import sys, threading, time, urllib.request
threading.Thread(target=lambda: (sys.stdin.read(), done.append(1)), daemon=True).start()
done = []
while not done:
    try:
        urllib.request.urlopen(sys.argv[1], timeout=0.5).read()
        print(time.monotonic())
    except OSError:
        pass
    time.sleep(0.01)
"""


@contextmanager
def polled(engine: PrivateEngine, url: str) -> Iterator[list[float]]:
    """Ask for `url` as long as the block lasts; afterwards the moments at which it answered, in seconds."""
    moments: list[float] = []
    command = engine.beside(sys.executable, "-u", "-c", _POLL, url)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdin
        assert process.stdout.readline()
        yield moments
        process.stdin.close()
        moments += map(float, process.stdout)


def longest_gap(moments: list[float]) -> float:
    """The longest time between two answers."""
    return max(after - before for before, after in pairwise(moments))
