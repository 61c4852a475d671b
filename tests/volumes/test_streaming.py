"""Work on threads comes back in order, and the first error ends it."""

import subprocess
import sys
import threading

import pytest

from ecc_px.volumes.streaming import in_order


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
