"""Brains as microscopes and copying programs write them: none is taken early, none is missed.

Another process writes the files. Between the looks, the time is moved by hand.
"""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from facilities import HandClock, facility_text

from ecc_px.service.arrival import Arrival
from ecc_px.service.config import read_facility
from ecc_px.service.ledger import Ledger
from ecc_px.service.states import State
from ecc_px.service.wakeup import Waker, is_on_network

SCAN = 60.0
QUIET = 600.0


class Writer:
    def __init__(self, folder):
        command = [sys.executable, Path(__file__).with_name("microscope_process.py"), folder]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, *order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


@pytest.fixture
def writer(tmp_path):
    (tmp_path / "incoming").mkdir()
    started = Writer(tmp_path / "incoming")
    yield started
    started.close()


def plane(brain, z):
    return f"{brain}/Z{z:04}.tif"


def slowly(brain, planes=40):
    for z in range(planes):
        yield from [("write", plane(brain, z), "plane"), 45.0]


def in_random_order(brain, planes=40):
    numbers = list(range(planes))
    random.Random(brain).shuffle(numbers)
    for z in numbers:
        yield from [("write", plane(brain, z), "plane"), 5.0]


def through_temporary_names(brain, planes=40):
    for z in range(planes):
        yield from [("write through a temporary name", plane(brain, z), "plane"), 20.0]


def with_a_pause(brain, planes=40):
    for z in range(planes):
        yield from [("write", plane(brain, z), "plane"), 570.0 if z == planes // 2 else 5.0]


def with_room_made_first(brain, planes=20):
    for z in range(planes):
        yield ("begin", plane(brain, z), 5)
    for z in range(planes):
        yield from [400.0 if z == 7 else 30.0, ("write", plane(brain, z), "plane")]


def renamed_when_complete(brain, planes=20):
    for z in range(planes):
        yield from [("write", plane(f"unfinished {brain}", z), "plane"), 100.0]
    yield ("rename", f"unfinished {brain}", brain)


def begun_again(brain, planes=20):
    for z in range(planes // 2):
        yield from [("write", plane(brain, z), "wrong"), 10.0]
    yield from [("remove", brain), 200.0]
    for z in range(planes):
        yield from [("write", plane(brain, z), "plane"), 10.0]


def copied_over_itself(brain, planes=20):
    for what in ("wrong", "plane"):
        for z in range(planes):
            yield from [("write", plane(brain, z), what), 30.0]


def one_file(brain):
    for part in range(30):
        yield from [("write", f"{brain}.h5", "voxels " * part), 90.0]


WAYS = [
    slowly,
    in_random_order,
    through_temporary_names,
    with_a_pause,
    with_room_made_first,
    renamed_when_complete,
    begun_again,
    copied_over_itself,
    one_file,
]


def watch(tmp_path, writer, *plans, complete='quiet = "10 min"'):
    """Write brains by several plans at once and look every minute; which brain settled how long after its last file."""
    (tmp_path / "facility.toml").write_text(facility_text(tmp_path, complete=complete).replace('"*_PV*"', '"m*_PV*"'))
    clock = HandClock()
    ledger = Ledger(None, clock=clock)
    arrival = Arrival(ledger, read_facility(tmp_path / "facility.toml"))
    plans = {brain: iter(plan) for brain, plan in plans}
    due = dict.fromkeys(plans, 0.0)
    finished, settled, now, looked = {}, {}, 0.0, 0.0
    while len(settled) < len(due):
        assert now < 40 * 3600, f"missed: {due.keys() - settled.keys()}"
        for brain, plan in list(plans.items()):
            while due[brain] <= now:
                step = next(plan, None)
                if step is None:
                    finished[brain] = now
                    del plans[brain]
                    break
                if isinstance(step, float):
                    due[brain] += step
                else:
                    writer(*step)
        if now - looked >= SCAN:
            arrival.look_around()
            looked = now
            for known in ledger.brains(State.settled):
                assert known.name in finished, f"{known.name} was taken early"
                settled.setdefault(known.name, now - finished[known.name])
        clock.forward(5)
        now += 5
    assert ledger.contradictions() == []
    return settled


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_no_brain_is_taken_early_and_none_is_missed(way, tmp_path, writer):
    (waited,) = watch(tmp_path, writer, ("m1_PV", way("m1_PV"))).values()
    assert waited >= QUIET - SCAN
    assert waited <= 2 * QUIET + 2 * SCAN


def test_brains_that_come_at_once_in_all_ways_at_once(tmp_path, writer):
    plans = [(f"m{n}_PV", way(f"m{n}_PV")) for n, way in enumerate(WAYS)]
    assert len(watch(tmp_path, writer, *plans)) == len(WAYS)


def test_pause_longer_than_the_quiet_time_does_not_start_a_brain_of_which_planes_are_missing(tmp_path, writer):
    def with_a_night(brain):
        for z in range(20):
            yield from [("write", plane(brain, z), "plane"), 12 * 3600.0 if z == 10 else 5.0]

    complete = 'planes = 20, quiet = "10 min"'
    (waited,) = watch(tmp_path, writer, ("m1_PV", with_a_night("m1_PV")), complete=complete).values()
    assert waited < 3 * SCAN


def test_five_thousand_planes(tmp_path, writer):
    plan = [("write", plane("m1_PV", z), "plane") for z in range(5000)]
    plan.insert(2500, 300.0)
    assert watch(tmp_path, writer, ("m1_PV", plan)).keys() == {"m1_PV"}


@pytest.mark.parametrize("watching", ["inotify", "auto"])
def test_a_file_wakes_the_service_before_its_time_and_reading_does_not(watching, tmp_path, writer):
    waker = Waker(watching)
    folder = tmp_path / "incoming"
    assert waker.attend([folder]) == []
    writer("write", "m1_PV.h5", "voxels")
    begun = time.monotonic()
    assert waker.sleep(20)
    assert time.monotonic() - begun < 10
    while waker.sleep(0.3):
        pass
    (folder / "m1_PV.h5").read_bytes()
    assert not waker.sleep(0.5)
    waker.close()


def test_nothing_but_time_and_signals_wakes_a_service_that_polls(tmp_path, writer):
    waker = Waker("polling")
    waker.attend([tmp_path / "incoming"])
    writer("write", "m1_PV.h5", "voxels")
    assert not waker.sleep(0.3)
    waker.wake()
    begun = time.monotonic()
    assert not waker.sleep(20)
    assert time.monotonic() - begun < 10
    waker.close()


def test_shares_are_known_by_their_file_system(tmp_path):
    share, disk = tmp_path / "a share", tmp_path / "disk"
    (share / "deep").mkdir(parents=True)
    disk.mkdir()
    mounts = tmp_path / "mounts"
    escaped = str(share).replace(" ", "\\040")
    mounts.write_text(
        f"rootfs / ext4 rw 0 0\n//server/x {escaped} cifs rw 0 0\nserver:/y {tmp_path}/disk2 nfs4 rw 0 0\n"
    )
    assert is_on_network(share / "deep", mounts)
    assert not is_on_network(disk, mounts)
