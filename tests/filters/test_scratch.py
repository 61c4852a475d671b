"""Scratch memory is a thread's own, and large pieces of it are not kept."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np

from ecc_px.filters import scratch as room
from ecc_px.filters.scratch import scratch


def test_a_thread_gets_its_memory_again_and_no_other_threads():
    both_hold = Barrier(2)

    def held(_):
        mine = scratch("test", 10, 10)
        both_hold.wait()
        assert np.shares_memory(mine, scratch("test", 5, 5))
        return mine

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(held, range(2))
    assert not np.shares_memory(first, second)


def test_other_names_are_other_memory():
    assert not np.shares_memory(scratch("one", 5), scratch("another", 5))


def test_a_larger_array_than_blocks_need_is_not_kept(monkeypatch):
    monkeypatch.setattr(room, "KEPT_BYTES", 4000)
    large = scratch("large", 1001)
    assert not np.shares_memory(large, scratch("large", 1001))
    small = scratch("large", 1000)
    assert np.shares_memory(small, scratch("large", 1000))
