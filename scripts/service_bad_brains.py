"""Puts 40 damaged brains and 3 good ones into a watched folder, and has the service take them in one pass.

python scripts/service_bad_brains.py

Measured: how many of the damaged ones are in quarantine for their true reason, whether the good ones are done, and that
nothing in the watched folder was touched. The exit code is 1 if anything of that is not as it should be.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from damaged_inputs import DAMAGED, brain, make_all, planes

from ecc_px.service.ledger import Ledger
from ecc_px.service.results import REASON
from ecc_px.service.states import State

PROJECT = Path(__file__).parents[1] / "tests" / "data" / "synthetic" / "s1_3d_seedset" / "project.ilp"
GOOD = 3

FACILITY = """
[service]
state = "{here}/state/ledger.sqlite"
output = "{here}/results"
keep_free = "100 MB"

[[route]]
name = "PV"
watch = "{here}/incoming/damaged"
match = "*/brain*"
classifier = "{project}"
voxel_um = [6.5, 6.5, 6.5]
complete = {{ quiet = "1 s" }}
"""


def digest(folder: Path) -> str:
    """Of names, bytes and times of all files below a folder."""
    lines = [
        f"{path} {path.stat().st_mtime_ns} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        here = Path(temporary)
        paths = make_all(here / "incoming", "damaged", DAMAGED)
        good = []
        for number in range(GOOD):
            folder = here / "incoming" / "damaged" / f"good{number}"
            folder.mkdir()
            good.append(planes(folder, brain(seed=number + 10)))
        before = digest(here / "incoming")
        facility = here / "facility.toml"
        facility.write_text(FACILITY.format(here=here, project=PROJECT))
        time.sleep(2)
        begun = time.monotonic()
        command = [sys.executable, "-m", "ecc_px", "watch", "--once", str(facility)]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - begun
        wrong = 0
        with Ledger(here / "state" / "ledger.sqlite") as ledger:
            brains = {known.source: known for known in ledger.brains()}
            for case in DAMAGED:
                known = brains.get(str(paths[case.name]))
                if known is None:
                    print(f"WRONG {case.name}: not seen")
                    wrong += 1
                    continue
                reason = Path(known.output) / REASON
                told = reason.read_text() if reason.exists() else ""
                is_right = known.state is State.quarantined and re.search(case.says, told) is not None
                wrong += not is_right
                if not is_right:
                    print(f"WRONG {case.name}: {known.state}: {known.reason}")
            done = sum(brains[str(path)].state is State.done for path in good)
            contradictions = ledger.contradictions()
        quarantined = len(DAMAGED) - wrong
        print(
            f"{quarantined} of {len(DAMAGED)} damaged brains in quarantine for their true reason, {done} of {GOOD} good"
        )
        print(f"ones done, in one pass of {seconds:.0f} s on {os.cpu_count()} cores (exit code {finished.returncode})")
        is_touched = digest(here / "incoming") != before
        print("raw data were changed" if is_touched else "raw data: every byte and time as before")
        for sentence in contradictions:
            print(f"WRONG ledger: {sentence}")
        if done < GOOD:
            print(finished.stderr[-3000:])
        sys.exit(bool(wrong or done < GOOD or is_touched or contradictions or finished.returncode != 1))


if __name__ == "__main__":
    main()
