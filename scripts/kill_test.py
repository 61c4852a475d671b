#!/usr/bin/env python
"""Does a prediction that is killed, or runs out of disk, end in the same bytes? Exit code 1 if not.

    python scripts/kill_test.py [--kills 100] [--full-disks 20] [--folder DIR] [--seed 0]

Kills: a prediction of a random volume is sent SIGKILL at a random moment, and the same command goes on, until so many
kills are done; whenever one gets to its end, the next begins. Each attempt logs when a block group begins and when it
is finished. After a kill, every finished group must be in the journal, none that was there before may be missing, and
no more groups may be lost than threads were at work. The bytes at the end must be those of an undisturbed prediction.

Full disks: the same on a small disk in memory (as root, Linux), or with the largest file size limited (anybody else).
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np

from ecc_px.pipeline.journal import Journal

PROJECT = Path(__file__).parents[1] / "tests" / "data" / "synthetic" / "s1_3d_seedset" / "project.ilp"
SHAPE, BLOCK, JOBS = (128, 192, 256), (32, 32, 128), 2
OUTPUT = "brain_probabilities.h5"

ATTEMPT = """
import os, sys
from ecc_px import predict
from ecc_px.errors import EccPxError
from ecc_px.pipeline.block_groups import KeptComputation
project, volume, out, log = sys.argv[1:5]
log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
process = KeptComputation.__call__
def logged(self, group):
    os.write(log, f"begun {group.number}\\n".encode())
    facts = process(self, group)
    os.write(log, f"finished {group.number}\\n".encode())
    return facts
KeptComputation.__call__ = logged
try:
    predict(project, volume, out, block=tuple(map(int, sys.argv[5:8])), jobs=int(sys.argv[8]))
except EccPxError as error:
    print(error)
    sys.exit(3)
"""


@dataclass
class Seen:
    """What the attempts did."""

    attempts: int = 0
    endings: int = 0
    most_lost: int = 0
    lost: int = 0
    in_the_journal: set[int] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def check(self, out: Path, log: Path) -> None:
        """Compare what an attempt said that it finished with what the journal has."""
        lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
        begun, finished = ({int(n) for what, n in lines if what == word} for word in ("begun", "finished"))
        log.unlink(missing_ok=True)
        path = out / f".{OUTPUT}.work" / "groups"
        if path.exists():
            journal = Journal(path)
            kept = set(journal.facts)
            journal.close()
        elif (out / OUTPUT).exists():
            self.in_the_journal = set()
            return
        else:
            kept = set()
        self.faults += [f"finished, but not kept: {missing}" for missing in [finished - kept] if missing]
        self.faults += [f"kept, then gone: {missing}" for missing in [self.in_the_journal - kept] if missing]
        lost = len(begun - kept)
        if lost > JOBS:
            self.faults.append(f"{lost} groups lost at once")
        self.lost += lost
        self.most_lost = max(self.most_lost, lost)
        self.in_the_journal = kept


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--kills", type=int, default=100)
    arguments.add_argument("--full-disks", type=int, default=20)
    arguments.add_argument("--folder", type=Path, help="Where files are made and removed; default: temporary.")
    arguments.add_argument("--seed", type=int, default=0)
    chosen = arguments.parse_args()
    chance = random.Random(chosen.seed)
    with TemporaryDirectory(prefix="ecc-px-kill-", dir=chosen.folder) as name:
        folder = Path(name)
        volume = folder / "brain.h5"
        with h5py.File(volume, "w") as file:
            noise = np.random.default_rng(chosen.seed).integers(0, 4000, SHAPE, np.uint16)
            file.create_dataset("data", data=noise, chunks=(64, 64, 64))
        # Once to compile the kernels, and once for the time that it takes.
        attempt(volume, folder / "compiled", folder / "log")
        (folder / "log").unlink()
        started = time.monotonic()
        attempt(volume, folder / "whole", folder / "log")
        seconds = time.monotonic() - started
        expected = (folder / "whole" / OUTPUT).read_bytes()
        groups = len((folder / "log").read_text().splitlines()) // 2
        (folder / "log").unlink()
        print(
            f"{groups} block groups, {JOBS} threads, {os.cpu_count()} cores; {seconds:.1f} s undisturbed",
            flush=True,
        )
        killed = kill(volume, folder, expected, seconds, chosen.kills, chance)
        print(
            f"{chosen.kills} kills in {killed.attempts} attempts, {killed.endings} predictions came to their end: "
            f"{killed.lost} groups lost in all, at most {killed.most_lost} by one kill",
            flush=True,
        )
        full = fill(volume, folder, expected, chosen.full_disks, chance)
    print(f"{chosen.full_disks} full disks: {full.endings} predictions came to their end afterwards")
    for fault in killed.faults + full.faults:
        print("FAULT:", fault)
    print("all bytes as undisturbed" if not killed.faults + full.faults else "NOT AS PROMISED")
    return bool(killed.faults + full.faults)


def attempt(volume: Path, out: Path, log: Path, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    """Predict to the end; the process, with its return code."""
    process = begin(volume, out, log, before)
    process.wait()
    return process


def begin(volume: Path, out: Path, log: Path, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ATTEMPT, PROJECT, volume, out, log, *BLOCK, JOBS]
    return subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=before
    )


def kill(volume: Path, folder: Path, expected: bytes, seconds: float, kills: int, chance: random.Random) -> Seen:
    seen, out, log = Seen(), folder / "out", folder / "log"
    done = 0
    while done < kills:
        seen.attempts += 1
        process = begin(volume, out, log)
        try:
            process.wait(chance.uniform(0, 1.1 * seconds))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            done += 1
            seen.check(out, log)
        else:
            finish(seen, process, out, log, expected)
    while (out / OUTPUT).exists() or out.exists():
        seen.attempts += 1
        finish(seen, attempt(volume, out, log), out, log, expected)
    return seen


def finish(seen: Seen, process: subprocess.Popen[str], out: Path, log: Path, expected: bytes) -> None:
    """A prediction came to its end: is it the one that it should be?"""
    said = process.stdout.read() if process.stdout else ""
    seen.endings += 1
    if process.returncode == 3 and "already there" in said:
        pass  # the kill before came after the last receipt
    elif process.returncode != 0:
        seen.faults.append(f"exit code {process.returncode}: {said[-500:]}")
    if not (out / OUTPUT).exists() or (out / OUTPUT).read_bytes() != expected:
        seen.faults.append("other bytes")
    others = {path.name for path in out.iterdir()} - {OUTPUT, f"{OUTPUT}.receipt.json"}
    if process.returncode == 0 and others:
        seen.faults.append(f"left behind: {others}")
    shutil.rmtree(out)
    log.unlink(missing_ok=True)
    seen.in_the_journal = set()


def fill(volume: Path, folder: Path, expected: bytes, times: int, chance: random.Random) -> Seen:
    seen, log = Seen(), folder / "log"
    small = folder / "small"
    small.mkdir()
    has_tmpfs = os.geteuid() == 0
    for _ in range(times):
        # From nothing at all to all but the last bytes of journal and output together.
        size = int(chance.uniform(0.01, 0.99 if not has_tmpfs else 1.98) * len(expected))
        out = small / "out"
        before = None
        if has_tmpfs:
            has_tmpfs = mount(small, size)
        if not has_tmpfs:
            size = min(size, len(expected) - 1)
            before = limit_to(size)
        process = attempt(volume, out, log, before)
        said = process.stdout.read() if process.stdout else ""
        if process.returncode != 3 or ("disk full" not in said and "too large" not in said):
            seen.faults.append(f"a full disk was not told: exit code {process.returncode}: {said[-500:]}")
        seen.check(out, log)
        if has_tmpfs:
            subprocess.run(["mount", "-o", "remount,size=1g", small], check=True)
        finish(seen, attempt(volume, out, log), out, log, expected)
        if has_tmpfs:
            subprocess.run(["umount", small], check=True)
    return seen


def mount(folder: Path, size: int) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={max(size, 4096)}", "tmpfs", folder]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def limit_to(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


if __name__ == "__main__":
    sys.exit(main())
