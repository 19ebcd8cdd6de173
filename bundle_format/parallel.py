"""Work on several threads whose results come back in the order of its inputs."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

Input = TypeVar("Input")
Output = TypeVar("Output")

MOST_THREADS = 16
"""More threads than this gain nothing for one medium and would cost memory: each holds a frame or two."""


class Workers:
    """Threads for hashing and compressing, both of which release the interpreter: one a processor unless told."""

    def __init__(self, threads: int | None = None) -> None:
        """Threads start when there is work for them."""
        self._threads = threads or min(os.cpu_count() or 1, MOST_THREADS)
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="frames")

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def in_order(
        self, work: Callable[[Input], Output], inputs: Iterable[Input], ahead: int | None = None
    ) -> Generator[Output]:
        """Yield `work(one)` for each input, in order; at most `ahead` results wait or are made: two beyond the threads.

        Inputs are taken by the caller's thread, one after the other.
        """
        most = ahead or self._threads + 2
        pending = deque[Future[Output]]()
        try:
            for one in inputs:
                pending.append(self._pool.submit(work, one))
                if len(pending) >= most:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            # Whoever stops early may close what the work reads from, so that none of it may still be under way.
            wait([future for future in pending if not future.cancel()])
