"""Working through a volume piece by piece, on threads, in order and in bounded memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

Progress = Callable[[int, int], None]
"""Called with the voxels done so far and the voxels in all."""


def usable_processors() -> int:
    """Processors that this process may run on: how many threads to use where nobody says.

    A cluster's scheduler or a container often gives fewer than the machine has.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(work: Callable[[Item], Result], items: Iterable[Item], jobs: int) -> Iterator[tuple[Item, Result]]:
    """Each item with its result, in the order of the items, worked out by `jobs` threads.

    At most 2 · `jobs` items are under way. The first error ends it all: what has not begun is not begun.
    """
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    pool = ThreadPoolExecutor(jobs)
    try:
        for item in items:
            if len(waiting) == 2 * jobs:
                earliest, future = waiting.popleft()
                yield earliest, future.result()
            waiting.append((item, pool.submit(work, item)))
        while waiting:
            earliest, future = waiting.popleft()
            yield earliest, future.result()
    finally:
        pool.shutdown(cancel_futures=True)
