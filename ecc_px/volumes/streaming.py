"""Working through a volume piece by piece, on threads or in processes, in order and in bounded memory."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, Literal, TypeVar

from ecc_px.errors import WorkerDied

Item = TypeVar("Item")
Result = TypeVar("Result")

Progress = Callable[[int, int], None]
"""Called with the voxels done so far and the voxels in all."""

Workers = Literal["threads", "processes"]
"""What the work is done by."""


def usable_processors() -> int:
    """Processors that this process may run on: how many threads to use where nobody says.

    A cluster's scheduler or a container often gives fewer than the machine has.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pool_of(workers: Workers, jobs: int) -> Executor:
    """An executor with `jobs` threads or processes; use it as a context manager.

    Processes are started afresh, not forked: a fork would inherit locks that other threads hold.
    """
    if workers == "threads":
        return ThreadPoolExecutor(jobs)
    return ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_follow_the_parent)


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], jobs: int, executor: Executor | None = None
) -> Iterator[tuple[Item, Result]]:
    """Each item with its result, in the order of the items.

    At most 2 · `jobs` items are under way. The first error ends it all: what has not begun is not begun.

    Parameters
    ----------
    work : function of one item
        With an executor other than threads, it is pickled, and so are the items and the results. A volume is opened
        again in the other process.
    items : iterable
    jobs : int
    executor : concurrent.futures.Executor, optional
        Stays open. Default: `jobs` threads.

    Raises
    ------
    WorkerDied
        A process of the executor was killed.
    """
    if executor is None:
        with ThreadPoolExecutor(jobs) as threads:
            yield from in_order(work, items, jobs, threads)
        return
    do = work if isinstance(executor, ThreadPoolExecutor) else partial(_unpacked, pickle.dumps(work))
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    try:
        for item in items:
            if len(waiting) == 2 * jobs:
                earliest, future = waiting.popleft()
                yield earliest, future.result()
            waiting.append((item, executor.submit(do, item)))
        while waiting:
            earliest, future = waiting.popleft()
            yield earliest, future.result()
    except BrokenExecutor as error:
        raise WorkerDied(
            "A process that worked on a part of the volume was killed, by a person or for want of memory: nothing was "
            "written. Start again, with fewer --jobs if memory was short."
        ) from error
    finally:
        # What has begun may still read volumes that the caller closes next.
        wait([future for _, future in waiting if not future.cancel()])


def _follow_the_parent() -> None:
    """What a pool's process does first: leave interrupts to its parent, and see to it that it ends with it.

    Without the latter, a parent that was killed leaves processes that wait for work for ever.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def _unpacked(packed: bytes, item: Any) -> Any:
    """Work that comes pickled: unpickling it opens volumes, and what is wrong with them is an error of the work.

    An error that comes up while a pool's process takes in its arguments would end that process instead.
    """
    return pickle.loads(packed)(item)
