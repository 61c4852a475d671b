"""Work on threads and in processes comes back in order, and the first error ends it."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ecc_px.errors import UnreadableVolume, WorkerDied
from ecc_px.volumes import Layout, create_volume, open_volume
from ecc_px.volumes.blocks import whole
from ecc_px.volumes.streaming import in_order, pool_of


def test_results_come_in_the_order_of_the_items_however_long_each_takes():
    gate = threading.Event()

    def work(item):
        if item == 0:
            gate.wait(10)
        if item == 3:
            gate.set()
        return item * item

    assert list(in_order(work, range(20), jobs=3)) == [(i, i * i) for i in range(20)]


def test_threads_are_as_many_as_the_processors_that_the_process_may_use():
    # In a process of its own, as a cluster's scheduler would start it.
    program = (
        "import os; from ecc_px.volumes.streaming import usable_processors; allowed = os.sched_getaffinity(0); "
        "assert usable_processors() == len(allowed); os.sched_setaffinity(0, {min(allowed)}); "
        "print(usable_processors())"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "1\n"


def test_an_error_ends_the_work():
    begun = []

    def work(item):
        begun.append(item)
        if item == 2:
            raise ValueError("item 2")
        return item

    with pytest.raises(ValueError, match="item 2"):
        list(in_order(work, range(1000), jobs=2))
    assert len(begun) < 20


@pytest.fixture(scope="module")
def processes():
    with pool_of("processes", 2) as pool:
        yield pool


@pytest.mark.parametrize("name", ["brain.h5", "brain.tif", "brain.nii.gz", "brain.ome.zarr", "planes"])
def test_a_volume_is_opened_again_in_another_process_and_only_once(name, tmp_path, processes):
    array = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)
    with create_volume(tmp_path / name, Layout("zyx", array.shape, array.dtype, (2.0, 1.0, 1.0))) as writer:
        writer.write(whole(array.shape), array[None])
    regions = [(slice(z, z + 1), slice(0, 5), slice(0, 6)) for z in range(4)]
    with open_volume(tmp_path / name) as volume:
        sums = [total for _, total in in_order(partial(total_and_process, volume), regions, 2, processes)]
    assert [total for total, _, _ in sums] == array.sum(axis=(1, 2)).tolist()
    opened = {(process, identity) for _, process, identity in sums}
    assert len(opened) == len({process for process, _ in opened})


def total_and_process(volume, region):
    return int(volume.read(region).sum()), os.getpid(), id(volume)


def test_a_file_that_was_replaced_is_another_volume(tmp_path, processes):
    totals = []
    for value in (1, 2):
        layout = Layout("zyx", (2, 3, 4), np.dtype(np.uint8))
        with create_volume(tmp_path / "brain.h5", layout, overwrite=True) as writer:
            writer.write(whole(layout.shape), np.full((1, 2, 3, 4), value, np.uint8))
        with open_volume(tmp_path / "brain.h5") as volume:
            totals += in_order(partial(total_and_process, volume), [whole(layout.shape)], 1, processes)
    assert [total for _, (total, _, _) in totals] == [24, 48]


def test_what_is_wrong_with_a_file_is_told_by_another_process_too(tmp_path, processes):
    layout = Layout("zyx", (2, 3, 4), np.dtype(np.uint8))
    with create_volume(tmp_path / "brain.h5", layout) as writer:
        writer.write(whole(layout.shape), np.zeros((1, 2, 3, 4), np.uint8))
    with open_volume(tmp_path / "brain.h5") as volume:
        (tmp_path / "brain.h5").unlink()
        with pytest.raises(UnreadableVolume, match=r"brain\.h5"):
            list(in_order(partial(total_and_process, volume), [whole(layout.shape)], 1, processes))


def end_of_process(item):
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_a_killed_process_is_an_error_and_not_a_wait():
    with pool_of("processes", 2) as pool, pytest.raises(WorkerDied, match="killed"):
        list(in_order(end_of_process, range(100), 2, pool))


def test_processes_end_with_the_one_that_started_them(tmp_path):
    program = (
        "import os, sys, time; from ecc_px.volumes.streaming import pool_of\n"
        "if __name__ == '__main__':\n"
        "    with pool_of('processes', 1) as pool:\n"
        "        print(pool.submit(os.getpid).result(), flush=True); time.sleep(60)\n"
    )
    (tmp_path / "program.py").write_text(program)
    parent = subprocess.Popen([sys.executable, tmp_path / "program.py"], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{child}").exists()


def test_an_executor_stays_open_and_what_has_begun_is_waited_for():
    running = threading.Semaphore(0)
    ended = []

    def work(item):
        if item == 0:
            running.acquire(timeout=10)
            raise ValueError("item 0")
        running.release()
        time.sleep(0.2)
        ended.append(item)

    with ThreadPoolExecutor(2) as pool:
        with pytest.raises(ValueError, match="item 0"):
            list(in_order(work, range(100), 2, pool))
        assert ended
        assert pool.submit(len, "abc").result() == 3
