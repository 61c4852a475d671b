"""Configurations and clocks for tests of the service."""

from __future__ import annotations

from pathlib import Path

from ecc_px.service.clock import Moment

PROJECT = Path(__file__).parents[1] / "data" / "synthetic" / "s1_3d_seedset" / "project.ilp"


def facility_text(folder: Path, *, service: str = "", route: str = "", complete: str = 'quiet = "10 min"') -> str:
    """A facility.toml whose folders lie in one folder."""
    return f"""
[service]
state = "{folder}/state/ledger.sqlite"
output = "{folder}/results"
keep_free = "1 MB"
{service}

[[route]]
name = "PV"
watch = "{folder}/incoming"
match = "*_PV*"
classifier = "{PROJECT}"
voxel_um = [6.5, 6.5, 6.5]
complete = {{ {complete} }}
{route}
"""


class HandClock:
    """A clock that stands still until somebody moves it."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now
        self.seconds = 1000.0
        self.boot = "first boot"

    def wall(self) -> float:
        return self.now

    def moment(self) -> Moment:
        return Moment(self.boot, self.seconds)

    def forward(self, seconds: float) -> None:
        self.now += seconds
        self.seconds += seconds
