"""Doing the same to many blocks on threads, with only a few of them in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any, TypeVar

Result = TypeVar("Result")


def map_blocks(
    work: Callable[..., Result], tasks: Iterable[tuple[Any, ...]], jobs: int | None = None
) -> Iterator[Result]:
    """Call `work(*task)` for each task on `jobs` threads (default: one per processor); yield results as they come.

    At most one task waits for every thread that works, so memory does not grow with their number. The first error
    ends it: nothing new begins, what runs is waited for, and the error is raised.
    """
    jobs = jobs or os.cpu_count() or 1
    remaining = iter(tasks)
    with ThreadPoolExecutor(jobs) as executor:
        running: set[Future[Result]] = set()
        try:
            while True:
                running |= {executor.submit(work, *task) for task in islice(remaining, 2 * jobs - len(running))}
                if not running:
                    return
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield future.result()
        finally:
            for future in running:
                future.cancel()
