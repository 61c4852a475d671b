"""What watching costs: a look at 200,000 files, and the processor's time of a service that has nothing to do.

python scripts/service_idle.py [--brains 100] [--planes 2000] [--seconds 60]

Measured: seconds of the first look at as many planes, of a look when nothing has changed and all are still arriving,
and of one when all are done; then the CPU seconds that a running service takes in a while, with the default settings.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ecc_px.service.arrival import Arrival
from ecc_px.service.config import read_facility
from ecc_px.service.ledger import Ledger
from ecc_px.service.states import State
from ecc_px.service.watch import SHIFT

FACILITY = """
[service]
state = "{here}/state/ledger.sqlite"
output = "{here}/results"

[[route]]
name = "PV"
watch = "{here}/incoming"
match = "*_PV*"
classifier = "{here}/none.ilp"
complete = {{ marker = "done.txt" }}
"""


def timed(arrival: Arrival) -> str:
    """A look, and how long it took."""
    begun, cpu = time.perf_counter(), time.process_time()
    made = arrival.look_around()
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return f"{seconds:.2f} s ({cpu:.2f} s of the processor) for {made.looked_at} brains, {made.files:,} files"


def cpu_seconds(process: int) -> float:
    """Of a process until now, its threads included."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def has_looked(ledger_path: Path, process: int) -> bool:
    """Whether the service has had its first look."""
    with Ledger.copy_of(ledger_path) as ledger:
        shift = ledger.noted(SHIFT, {})
        return shift.get("process") == process and shift.get("last_look") is not None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brains", type=int, default=100)
    parser.add_argument("--planes", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=60)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        here = Path(temporary)
        for brain in range(chosen.brains):
            folder = here / "incoming" / f"mouse{brain:04}_PV"
            folder.mkdir(parents=True)
            for z in range(chosen.planes):
                (folder / f"mouse{brain:04}_PV_UltraII[00 x 00]_C00_xyz-Table Z{z:04}.ome.tif").write_bytes(b"plane")
        path = here / "facility.toml"
        path.write_text(FACILITY.format(here=here))
        facility = read_facility(path)
        with Ledger(facility.service.state) as ledger:
            arrival = Arrival(ledger, facility)
            print(f"first look:               {timed(arrival)}")
            print(f"nothing has changed:      {timed(arrival)}")
        with Ledger(None) as ledger:
            arrival = Arrival(ledger, facility)
            arrival.look_around()
            for brain in ledger.brains():
                for state in (State.settled, State.checked, State.queued):
                    ledger.change(brain.id, state, "for the measure")
                lease = ledger.lease(brain.id, "for the measure")
                assert lease is not None
                ledger.end(lease.token, State.done, "for the measure", identity=str(brain.id))
            arrival.look_around()
            print(f"all are done:             {timed(arrival)}")
        service = subprocess.Popen([sys.executable, "-m", "ecc_px", "watch", str(path)], stderr=subprocess.DEVNULL)
        while not has_looked(facility.service.state, service.pid):
            time.sleep(0.5)
        time.sleep(2)
        before, begun = cpu_seconds(service.pid), time.monotonic()
        time.sleep(chosen.seconds)
        share = (cpu_seconds(service.pid) - before) / (time.monotonic() - begun)
        service.terminate()
        service.wait(60)
        print(f"idle service, all of these arriving: {share:.2%} of one of {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
