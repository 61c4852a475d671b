"""Kills the service with SIGKILL at random moments until three brains are done, and compares with an undisturbed run.

python scripts/service_kill_test.py [--kills 50] [--seed 1] [--folder KEPT]

Measured: kills survived, what the ledger says after each of them, processes that outlived their service, brains done
twice or lost, and whether every output has the bytes of a run that nobody disturbed. Receipts, logs and brain.json name
times and are left out. The exit code is 1 if anything of that is not as it should be.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from ecc_px.service.ledger import Ledger
from ecc_px.service.processes import start_of
from ecc_px.service.states import State

PROJECT = Path(__file__).parents[1] / "tests" / "data" / "synthetic" / "s1_3d_seedset" / "project.ilp"
BRAINS = ("mouse1_PV", "mouse2_PV", "mouse3_PV")
UNCOMPARED = (".receipt.json", "brain.json", "brain.log", "_report.html")
EARLY = 0.2, 8.0
"""Seconds that the service lives, a third of the times: it has hardly begun."""
AT_WORK = 0.0, 0.4
"""Seconds that it lives after its brain has made progress, the other times."""
GIVEN_UP = 3600.0

FACILITY = """
[service]
state = "{here}/state/ledger.sqlite"
output = "{here}/results"
scan = "1 s"
keep_free = "100 MB"
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


def prepare(here: Path, incoming: Path) -> Path:
    """A configuration whose ledger and results are in a folder of its own."""
    here.mkdir()
    facility = here / "facility.toml"
    facility.write_text(FACILITY.format(here=here, incoming=incoming, project=PROJECT))
    return facility


def start(facility: Path) -> subprocess.Popen[bytes]:
    """The service, with its messages in a file beside its configuration."""
    with (facility.parent / "service.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", "ecc_px", "watch", str(facility)], stderr=log, stdout=log)


def states(ledger_path: Path) -> Counter[str]:
    """How many brains are in each state."""
    if not ledger_path.exists():
        return Counter()
    with Ledger(ledger_path) as ledger:
        return Counter({str(state): count for state, count in ledger.counts().items()})


def wait_until_done(facility: Path, process: subprocess.Popen[bytes]) -> float:
    """Seconds until all brains are done."""
    begun = time.monotonic()
    ledger = facility.parent / "state" / "ledger.sqlite"
    while states(ledger)["done"] < len(BRAINS):
        if time.monotonic() - begun > GIVEN_UP or process.poll() is not None:
            sys.exit(f"The service did not come to an end; see {facility.parent / 'service.log'}")
        time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    process.wait(90)
    return time.monotonic() - begun


def digests(results: Path) -> dict[str, str]:
    """The hash of every output that is compared."""
    files = sorted(path for path in results.rglob("*") if path.is_file() and not path.name.endswith(UNCOMPARED))
    return {str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def look_after_kill(ledger_path: Path) -> list[str]:
    """What is wrong just after a kill."""
    if not ledger_path.exists():
        return []
    with Ledger(ledger_path) as ledger:
        wrong = ledger.contradictions()
        for lease in ledger.leases():
            deadline = time.monotonic() + 2
            while lease.process and start_of(lease.process) == lease.process_start:
                if time.monotonic() > deadline:
                    wrong.append(f"process {lease.process} outlived its service")
                    break
                time.sleep(0.01)
        return wrong


def doing(ledger_path: Path) -> str:
    """What is going on."""
    if not ledger_path.exists():
        return "no ledger yet"
    with Ledger(ledger_path) as ledger:
        at_work = [f"{brain.step or 'beginning'} {brain.name}" for brain in ledger.brains(State.running)]
        at_work += [f"{brain.step} {brain.name}" for brain in ledger.brains(State.settled) if brain.step]
    return ", ".join(at_work) or "nothing at work"


def wait_for_progress(ledger_path: Path) -> None:
    """Until a brain is further than it was."""
    first, deadline = None, time.monotonic() + 60
    while time.monotonic() < deadline:
        if ledger_path.exists():
            with Ledger(ledger_path) as ledger:
                now = [(brain.state, brain.step, brain.done) for brain in ledger.brains()]
            if first is not None and now != first and any(step for _, step, _ in now):
                return
            first = now
        time.sleep(0.05)


def disturb(facility: Path, kills: int, chance: random.Random) -> tuple[int, list[str], Counter[str]]:
    """Kill the service until enough kills were made or all is done; kills, what was wrong, and what was going on."""
    ledger_path = facility.parent / "state" / "ledger.sqlite"
    wrong: list[str] = []
    moments: Counter[str] = Counter()
    for number in range(kills):
        process = start(facility)
        if chance.random() < 1 / 3:
            time.sleep(chance.uniform(*EARLY))
        else:
            wait_for_progress(ledger_path)
            time.sleep(chance.uniform(*AT_WORK))
        moments[doing(ledger_path)] += 1
        process.kill()
        process.wait()
        wrong += [f"kill {number + 1}: {sentence}" for sentence in look_after_kill(ledger_path)]
        if states(ledger_path)["done"] == len(BRAINS):
            return number + 1, wrong, moments
    return kills, wrong, moments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shape", type=int, nargs=3, default=(320, 384, 384))
    parser.add_argument("--folder", type=Path, help="work here, and leave everything there")
    chosen = parser.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="ecc-px-kill-"))
    incoming = folder / "incoming"
    incoming.mkdir(parents=True)
    for number, name in enumerate(BRAINS):
        script = Path(__file__).parents[1] / "examples" / "synthetic_brain.py"
        options = ["--shape", *map(str, chosen.shape), "--seed", str(number), "--out", str(incoming / f"{name}.h5")]
        subprocess.run([sys.executable, script, *options], check=True, stdout=subprocess.DEVNULL)
    before = digests(incoming)

    calm, storm = prepare(folder / "calm", incoming), prepare(folder / "storm", incoming)
    seconds = wait_until_done(calm, start(calm))
    expected = digests(calm.parent / "results")
    print(f"undisturbed: {len(BRAINS)} brains in {seconds:.0f} s on {os.cpu_count()} cores, {len(expected)} outputs")

    killed, wrong, moments = disturb(storm, chosen.kills, random.Random(chosen.seed))
    print(f"killed {killed} times; brains were then:")
    for what, count in moments.most_common():
        print(f"  {count:3} × {what}")
    ledger_path = storm.parent / "state" / "ledger.sqlite"
    after_storm = states(ledger_path)
    wait_until_done(storm, start(storm))
    made = digests(storm.parent / "results")

    if killed < chosen.kills:
        wrong.append(f"all was done after {killed} kills already: take larger brains (--shape)")
    wrong += [f"{name}: other bytes" for name in expected.keys() & made.keys() if expected[name] != made[name]]
    wrong += [f"{name}: only in one of the runs" for name in expected.keys() ^ made.keys()]
    with Ledger(ledger_path) as ledger:
        for brain in ledger.brains():
            done = sum(e.after is State.done and e.before is State.running for e in ledger.events(brain.id))
            begun = sum(e.after is State.running for e in ledger.events(brain.id))
            print(f"{brain.title}: begun {begun} times, done {done} times, {brain.cells} cells")
            if done != 1:
                wrong.append(f"{brain.title} was done {done} times")
        if len(ledger.brains()) != len(BRAINS):
            wrong.append(f"{len(ledger.brains())} brains are known")
        wrong += ledger.contradictions()
    if digests(incoming) != before:
        wrong.append("raw data were changed")
    print(f"when the killing ended: {dict(after_storm)}; {len(made)} outputs compared")
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    print("all as it should be" if not wrong else f"{len(wrong)} things are wrong")
    if chosen.folder is None:
        shutil.rmtree(folder)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
