"""Work on several threads whose results come back in the order of its inputs."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Input = TypeVar("Input")
Output = TypeVar("Output")

MOST_THREADS = 16
"""More threads than this gain nothing for one medium and would cost memory: each holds a frame or two."""


def new_pool(threads: int | None = None) -> ThreadPoolExecutor:
    """Threads for hashing and compressing, both of which release the interpreter; one a processor unless told."""
    return ThreadPoolExecutor(threads or min(os.cpu_count() or 1, MOST_THREADS), thread_name_prefix="frames")


def in_order(
    pool: Executor, work: Callable[[Input], Output], inputs: Iterable[Input], ahead: int = MOST_THREADS + 2
) -> Iterator[Output]:
    """Yield `work(one)` for each input, in order, with at most `ahead` results waiting or under way."""
    pending = deque[Future[Output]]()
    try:
        for one in inputs:
            pending.append(pool.submit(work, one))
            if len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        # Whoever stops early may close what the work reads from, so that none of it may still be under way.
        wait([future for future in pending if not future.cancel()])
