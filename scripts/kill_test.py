#!/usr/bin/env python
"""Does a prediction that is killed, or runs out of disk, end in the same bytes? Exit code 1 if not.

    python scripts/kill_test.py [--kills 100] [--full-disks 20] [--folder DIR] [--seed 0]

Kills: a prediction of a small random volume is sent SIGKILL at a random moment, and the same call goes on, until so
many kills are done; whenever one gets to its end, the next begins. Each attempt logs when a block group begins and
when it is finished. After a kill, every finished group must be in the journal, none that was there before may be
missing, and no more groups may be lost than threads were at work. The bytes at the end must be those of an
undisturbed prediction.

Full disks: the same where the room ends at a random byte of journal and output: in turn on a small disk in memory (as
root, Linux) and with the size of files limited (anybody). The forecast, which would refuse to begin, is switched off.

Each attempt is a process forked from this one, which has computed once: it need not load the libraries again, so that
kills come at any moment of the work and not mostly before it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np

from ecc_px import predict
from ecc_px.errors import EccPxError
from ecc_px.pipeline.block_groups import KeptComputation
from ecc_px.pipeline.forecast import Forecast
from ecc_px.pipeline.journal import Journal

PROJECT = Path(__file__).parents[1] / "tests" / "data" / "synthetic" / "s1_3d_seedset" / "project.ilp"
SHAPE, BLOCK, JOBS = (96, 96, 64), (16, 24, 64), 2
OUTPUT = "brain_probabilities.h5"
REFUSED = 3


def attempt_in_child(volume: Path, out: Path, log: Path, said: Path, largest_file: int | None) -> None:
    """Predict, and log each group; ends the process. `said` gets the words of an error."""
    noted = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    compute = KeptComputation.__call__

    def logged(self: KeptComputation, group: Any) -> Any:
        os.write(noted, f"begun {group.number}\n".encode())
        facts = compute(self, group)
        os.write(noted, f"finished {group.number}\n".encode())
        return facts

    KeptComputation.__call__ = logged  # type: ignore[method-assign]
    Forecast.require_disk = lambda self, folder: None  # type: ignore[method-assign]
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    try:
        predict(PROJECT, volume, out, block=BLOCK, jobs=JOBS)
    except EccPxError as error:
        said.write_text(str(error))
        os._exit(REFUSED)
    except BaseException as error:  # noqa: BLE001 - a bug is told to the parent in words, too
        said.write_text(f"{type(error).__name__}: {error}")
        os._exit(1)
    os._exit(0)


@dataclass(frozen=True)
class Attempt:
    """A process that predicts."""

    volume: Path
    out: Path
    log: Path
    largest_file: int | None = None

    @property
    def _said(self) -> Path:
        return self.log.with_name("said")

    def begin(self) -> multiprocessing.process.BaseProcess:
        self._said.unlink(missing_ok=True)
        arguments = (self.volume, self.out, self.log, self._said, self.largest_file)
        process = multiprocessing.get_context("fork").Process(target=attempt_in_child, args=arguments)
        process.start()
        return process

    def to_the_end(self) -> int:
        """The exit code."""
        process = self.begin()
        process.join()
        return process.exitcode or 0

    def said(self) -> str:
        return self._said.read_text() if self._said.exists() else ""


@dataclass
class Seen:
    """What the attempts did."""

    attempts: int = 0
    endings: int = 0
    most_lost: int = 0
    lost: int = 0
    moments: dict[str, int] = field(default_factory=dict)
    in_the_journal: set[int] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def check(self, out: Path, log: Path, at_work: int) -> None:
        """Compare what an attempt said that it finished with what the journal has."""
        lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
        begun, finished = ({int(n) for what, n in lines if what == word} for word in ("begun", "finished"))
        log.unlink(missing_ok=True)
        work = out / f".{OUTPUT}.work"
        moment = (
            "before the first group"
            if not finished and not self.in_the_journal
            else "after the output was in place"
            if (out / OUTPUT).exists()
            else "while the output was put together"
            if (work / "assembling").exists()
            else "among the groups"
        )
        self.moments[moment] = self.moments.get(moment, 0) + 1
        if (work / "groups").exists():
            journal = Journal(work / "groups")
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
        if lost > at_work:
            self.faults.append(f"{lost} groups lost at once")
        self.lost += lost
        self.most_lost = max(self.most_lost, lost)
        self.in_the_journal = kept

    def finish(self, attempt: Attempt, code: int, expected: bytes) -> None:
        """A prediction came to its end: is it the one that it should be?"""
        out, said = attempt.out, attempt.said()
        self.endings += 1
        if code == REFUSED and "already there" in said:
            pass  # the kill before came after the last receipt
        elif code != 0:
            self.faults.append(f"exit code {code}: {said[-500:]}")
        if not (out / OUTPUT).exists() or (out / OUTPUT).read_bytes() != expected:
            self.faults.append("other bytes")
        others = {path.name for path in out.iterdir()} - {OUTPUT, f"{OUTPUT}.receipt.json"}
        if code == 0 and others:
            self.faults.append(f"left behind: {others}")
        shutil.rmtree(out)
        attempt.log.unlink(missing_ok=True)
        self.in_the_journal = set()

    def told_moments(self) -> str:
        return ", ".join(f"{count} {moment}" for moment, count in sorted(self.moments.items()))


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
            file.create_dataset("data", data=noise, chunks=(32, 32, 64))
        predict(PROJECT, volume, folder / "compiled", block=BLOCK, jobs=1)
        whole = Attempt(volume, folder / "whole", folder / "log")
        started = time.monotonic()
        if whole.to_the_end() != 0:
            print(whole.said())
            return 1
        seconds = time.monotonic() - started
        expected = (whole.out / OUTPUT).read_bytes()
        groups = len(whole.log.read_text().splitlines()) // 2
        whole.log.unlink()
        print(f"{groups} block groups, {JOBS} threads, {os.cpu_count()} cores; {seconds:.1f} s undisturbed", flush=True)
        killed = kill(Attempt(volume, folder / "out", folder / "log"), expected, seconds, chosen.kills, chance)
        print(
            f"{chosen.kills} kills in {killed.attempts} attempts ({killed.told_moments()}), "
            f"{killed.endings} predictions came to their end: "
            f"{killed.lost} groups lost in all, at most {killed.most_lost} by one kill",
            flush=True,
        )
        full, mounted = fill(volume, folder, expected, chosen.full_disks, chance)
    print(
        f"{chosen.full_disks} full disks ({full.told_moments()}; {mounted} of them mounted, "
        f"{chosen.full_disks - mounted} by a limit): {full.endings} predictions came to their end afterwards, "
        f"at most {full.most_lost} groups lost by one"
    )
    faults = killed.faults + full.faults
    for fault in faults:
        print("FAULT:", fault)
    print("NOT AS PROMISED" if faults else "all bytes as undisturbed")
    return bool(faults)


def kill(attempt: Attempt, expected: bytes, seconds: float, kills: int, chance: random.Random) -> Seen:
    seen, done = Seen(), 0
    while done < kills:
        seen.attempts += 1
        process = attempt.begin()
        process.join(chance.uniform(0, seconds))
        if process.exitcode is None:
            process.kill()
            process.join()
        if process.exitcode == -9:
            done += 1
            seen.check(attempt.out, attempt.log, JOBS)
        else:
            seen.finish(attempt, process.exitcode or 0, expected)
    while attempt.out.exists():
        seen.attempts += 1
        seen.finish(attempt, attempt.to_the_end(), expected)
    return seen


def fill(volume: Path, folder: Path, expected: bytes, times: int, chance: random.Random) -> tuple[Seen, int]:
    """What was seen, and how many disks were real ones."""
    seen, log, mounted = Seen(), folder / "log", 0
    small = folder / "small"
    small.mkdir()
    for number in range(times):
        on_disk = number % 2 == 0 and mount(small, int(chance.uniform(0.01, 1.9) * len(expected)))
        mounted += on_disk
        limit = None if on_disk else int(chance.uniform(0.05, 0.98) * len(expected))
        attempt = Attempt(volume, small / "out", log, limit)
        try:
            code, said = attempt.to_the_end(), attempt.said()
            if code != REFUSED or ("disk full" not in said and "too large" not in said):
                seen.faults.append(f"a full disk was not told: exit code {code}: {said[-500:]}")
            # Threads go on with what was handed to them until the first of them has told of its error.
            seen.check(attempt.out, log, 2 * JOBS)
            if on_disk:
                subprocess.run(["mount", "-o", "remount,size=1g", small], check=True)
            attempt = Attempt(volume, small / "out", log)
            seen.finish(attempt, attempt.to_the_end(), expected)
        finally:
            if on_disk:
                subprocess.run(["umount", small], check=True)
    return seen, mounted


def mount(folder: Path, size: int) -> bool:
    """Whether a disk of so many bytes could be put there."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={max(size, 65536)}", "tmpfs", folder]
    return os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
