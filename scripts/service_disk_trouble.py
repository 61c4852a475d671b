"""Disks that are full or read-only, under a running service: nothing is lost, and it goes on when they are mended.

sudo python scripts/service_disk_trouble.py

Mounts small file systems in memory (tmpfs), which takes root. One brain is processed five times: undisturbed; with too
little room for its results at first; with a disk that fills up in the middle; with results on a read-only disk; and
with its ledger on a full disk. Each time: what the service says of it, and whether the outputs have the bytes of the
undisturbed run.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from service_kill_test import UNCOMPARED as NAMES_TIMES

from ecc_px.errors import LedgerFailed
from ecc_px.service.ledger import Brain, Ledger
from ecc_px.service.states import State
from ecc_px.service.watch import SHIFT

PROJECT = Path(__file__).parents[1] / "tests" / "data" / "synthetic" / "s1_3d_seedset" / "project.ilp"
UNCOMPARED = (*NAMES_TIMES, "ballast")
PATIENCE = 300.0

FACILITY = """
[service]
state = "{here}/state/ledger.sqlite"
output = "{here}/results"
scan = "1 s"
keep_free = "1 MB"
retry_after = "2 s"
nice = 0
idle_io = false

[[route]]
name = "PV"
watch = "{incoming}"
match = "*_PV*"
classifier = "{project}"
voxel_um = [6.5, 6.5, 6.5]
complete = {{ quiet = "2 s" }}
prediction = {{ dtype = "uint8" }}
"""


class Night:
    """A service with folders of its own, and what is known of its only brain."""

    def __init__(self, here: Path, incoming: Path) -> None:
        self.here = here
        for name in ("state", "results"):
            (here / name).mkdir(parents=True)
        self.facility = here / "facility.toml"
        self.facility.write_text(FACILITY.format(here=here, incoming=incoming, project=PROJECT))
        self.log = here / "service.log"

    @contextlib.contextmanager
    def service(self) -> Iterator[subprocess.Popen[bytes]]:
        """It runs while the block does."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "ecc_px", "watch", str(self.facility)], stderr=log, stdout=log
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(120)

    def brain(self) -> Brain | None:
        """The brain, if the ledger can be read."""
        try:
            with Ledger.copy_of(self.here / "state" / "ledger.sqlite") as ledger:
                brains = ledger.brains()
                return brains[0] if brains else None
        except LedgerFailed:
            return None

    def shift(self) -> dict[str, object]:
        """How the service says it is."""
        with Ledger.copy_of(self.here / "state" / "ledger.sqlite") as ledger:
            return dict(ledger.noted(SHIFT, {}))

    def wait(self, what: str, is_so: Callable[[], object]) -> None:
        """Until something is so."""
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            if time.monotonic() > deadline:
                print(self.log.read_text()[-3000:])
                sys.exit(f"WRONG: waited in vain until {what}; the brain is {self.brain()}")
            time.sleep(0.2)

    def is_done(self) -> bool:
        brain = self.brain()
        return brain is not None and brain.state is State.done

    def digests(self) -> dict[str, str]:
        """The hash of every output."""
        results = self.here / "results"
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(results.rglob("*"))
            if path.is_file() and not path.name.endswith(UNCOMPARED)
        }

    def reasons(self) -> list[str]:
        """Why the brain was what it was, without repetitions."""
        with Ledger.copy_of(self.here / "state" / "ledger.sqlite") as ledger:
            return list(dict.fromkeys(event.why for event in ledger.events()))


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """A file system of its own at a folder."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path, *, leave: int = 0) -> Path:
    """Write until so many bytes are left."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
        stream.write(b"x" * max(free - leave, 0))
        while not leave:
            stream.write(b"x" * 512)
    return ballast


def undisturbed(night: Night) -> None:
    with night.service():
        night.wait("it is done", night.is_done)


def too_little_room_at_first(night: Night) -> None:
    with small_disk(night.here / "results", 60):
        ballast = fill(night.here / "results", leave=5 * 10**6)
        with night.service():
            night.wait("it waits for room", lambda: night.shift().get("paused"))
            print(f"    says: {night.shift()['paused']}")
            ballast.unlink()
            night.wait("it is done", night.is_done)
        made.update({too_little_room_at_first.__name__: night.digests()})


def disk_fills_up_in_the_middle(night: Night) -> None:
    with small_disk(night.here / "results", 60):
        with night.service():
            night.wait("it runs", lambda: (brain := night.brain()) and brain.state is State.running and brain.done)
            ballast = fill(night.here / "results")
            night.wait("it does not run", lambda: (brain := night.brain()) and brain.state is not State.running)
            brain = night.brain()
            assert brain is not None
            print(f"    says: {brain.state}: {brain.reason}")
            time.sleep(3)
            ballast.unlink()
            night.wait("it is done", night.is_done)
        made.update({disk_fills_up_in_the_middle.__name__: night.digests()})


def read_only_results(night: Night) -> None:
    with small_disk(night.here / "results", 60):
        subprocess.run(["mount", "-o", "remount,ro", night.here / "results"], check=True)
        with night.service():
            night.wait("it is to be tried again", lambda: (brain := night.brain()) and brain.state is State.retry)
            brain = night.brain()
            assert brain is not None
            print(f"    says: {brain.state}: {brain.reason}")
            subprocess.run(["mount", "-o", "remount,rw", night.here / "results"], check=True)
            night.wait("it is done", night.is_done)
        made.update({read_only_results.__name__: night.digests()})


def ledger_on_a_full_disk(night: Night) -> None:
    with small_disk(night.here / "state", 3):
        with night.service():
            night.wait("it runs", lambda: (brain := night.brain()) and brain.state is State.running)
            ballast = fill(night.here / "state")
            night.wait("it says so", lambda: "the ledger can't be" in night.log.read_text())
            line = next(line for line in night.log.read_text().splitlines() if "the ledger can't be" in line)
            print(f"    says: {line[26:]}")
            time.sleep(20)
            ballast.unlink()
            night.wait("it is done", night.is_done)
        with Ledger(night.here / "state" / "ledger.sqlite") as ledger:
            print(f"    contradictions in the ledger: {ledger.contradictions() or 'none'}")


made: dict[str, dict[str, str]] = {}


def main() -> None:
    if os.geteuid() != 0:
        sys.exit("Mounting takes root: run it with sudo, on a machine where that may be.")
    with tempfile.TemporaryDirectory() as temporary:
        here = Path(temporary)
        (here / "incoming").mkdir()
        script = Path(__file__).parents[1] / "examples" / "synthetic_brain.py"
        brain = here / "incoming" / "mouse1_PV.h5"
        command = [sys.executable, script, "--shape", "96", "256", "256", "--out", brain]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        troubles = (
            undisturbed,
            too_little_room_at_first,
            disk_fills_up_in_the_middle,
            read_only_results,
            ledger_on_a_full_disk,
        )
        wrong = 0
        for trouble in troubles:
            night = Night(here / trouble.__name__, here / "incoming")
            begun = time.monotonic()
            print(trouble.__name__.replace("_", " "))
            trouble(night)
            digests = made.setdefault(trouble.__name__, night.digests())
            is_same = digests == made["undisturbed"]
            wrong += not is_same
            what = "the bytes of the undisturbed run" if is_same else "OTHER BYTES"
            print(f"    done after {time.monotonic() - begun:.0f} s; {len(digests)} outputs, {what}")
        sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
