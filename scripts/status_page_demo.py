"""Serve the status page with invented brains, for anyone to look at.

    python scripts/status_page_demo.py [--port 8765] [--token TOKEN]

Nothing is watched and nothing is computed; the brain that runs gets on in front of your eyes. Ends with Ctrl-C.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from matplotlib.image import imsave
from scipy.ndimage import gaussian_filter

from ecc_px.service.page.server import StatusPage
from ecc_px.service.page.views import (
    Action,
    Arrival,
    BrainView,
    Change,
    Disk,
    Output,
    ServiceView,
    Totals,
    Work,
)

VOXELS = 2512 * 1480 * 1960
SPEED = 4.13e6


class InventedBrains:
    """A night on which something of everything happens."""

    def __init__(self, outputs: Path) -> None:
        self.outputs = outputs
        self.began = datetime.now(UTC)
        self._clock = time.monotonic()
        self.brains = {brain.id: brain for brain in self._invent()}

    def service(self) -> ServiceView:
        now = datetime.now(UTC)
        passed = time.monotonic() - self._clock
        for brain in self.brains.values():
            if brain.state == "running" and brain.work:
                done = int(0.634 * VOXELS + passed * SPEED)
                work = replace(brain.work, done=done, seconds_left=(VOXELS - done) / SPEED, heartbeat=now)
                self.brains[brain.id] = replace(brain, work=work)
            if brain.state == "arriving" and brain.arrival:
                files = min(2512, 1204 + int(passed / 2))
                arrival = replace(brain.arrival, files=files, bytes=files * 5_800_000)
                self.brains[brain.id] = replace(brain, arrival=arrival)
        return ServiceView(
            now=now,
            version="0.1.0",
            host="lightsheet-2",
            started=self.began - timedelta(days=12),
            scan_every_s=60,
            last_scan=now - timedelta(seconds=passed % 60),
            disks=(Disk("/data/results", 1_840 * 10**9, 7_600 * 10**9, 50 * 10**9),),
            brains=tuple(replace(brain, history=()) for brain in self.brains.values()),
            totals=Totals(brains=214, voxels=214 * VOXELS, seconds=214 * VOXELS / SPEED, failures=9),
            actions={
                "quarantined": ("retry", "release", "skip"),
                "late": ("release", "skip"),
                "retry": ("retry", "skip"),
            },
        )

    def brain(self, brain_id: int) -> BrainView | None:
        self.service()
        return self.brains.get(brain_id)

    def thumbnail(self, brain_id: int) -> str | None:
        outputs = self.brains[brain_id].outputs
        return next((output.path for output in outputs if output.name.endswith("_thumbnail.png")), None)

    def act(self, brain_id: int, action: Action) -> None:
        brain, now = self.brains[brain_id], datetime.now(UTC)
        after = "skipped" if action == "skip" else "queued"
        change = Change(now, brain.state, after, f"Somebody said on the page: {action}.")
        self.brains[brain_id] = replace(
            brain, state=after, since=now, reason=change.reason, history=(*brain.history, change), arrival=None
        )

    def _invent(self) -> list[BrainView]:
        now = self.began
        made = [
            self._done(f"mouse_{100 + n}_{stain}", stain, now - timedelta(hours=2.7 * (n + 0.4)), n)
            for n, stain in enumerate(["PV", "PV", "cFos", "PV", "cFos", "cFos", "PV", "PV"])
        ]
        made[1] = replace(made[1], flags=("unusually few cells",))
        return [
            self._brain(
                1,
                "mouse_117_PV",
                "quarantined",
                now - timedelta(hours=1.3),
                "plane Z0123 is missing (found 2,511 of 2,512). Copy it again, then release the brain; or skip it.",
                path=("arriving", "settled"),
            ),
            self._brain(
                2,
                "mouse_121_cFos",
                2,
                now - timedelta(hours=7),
                "no plane has come for 6 h 40 min; 804 of 2,512 are there. Is the microscope still running, or has "
                "the copying stopped?",
                arrival=Arrival(804, 2512, 804 * 5_800_000),
                path=("arriving",),
            ),
            self._brain(
                3,
                "mouse_118_PV",
                "running",
                now - timedelta(minutes=19),
                work=Work("predicting", int(0.634 * VOXELS), VOXELS, SPEED, 2.2 * 3600, now),
                attempts=1,
                path=("arriving", "settled", "checked", "queued"),
            ),
            *(
                self._brain(
                    n,
                    f"mouse_{n}_PV",
                    "queued",
                    now - timedelta(minutes=200 - n),
                    forecast_s=VOXELS / SPEED,
                    path=("arriving", "settled", "checked"),
                )
                for n in (119, 120)
            ),
            self._brain(
                4,
                "mouse_116_cFos",
                "retry",
                now - timedelta(minutes=4),
                "the share did not answer while plane Z1873 was read; tried again by itself.",
                attempts=2,
                next_attempt=now + timedelta(minutes=16),
                forecast_s=0.4 * VOXELS / SPEED,
                path=("arriving", "settled", "checked", "queued", "running"),
            ),
            self._brain(5, "mouse_122_PV", "arriving", now - timedelta(minutes=31), arrival=Arrival(1204, 2512, 0)),
            self._brain(6, "<script>alert(1)</script>_PV", "arriving", now - timedelta(minutes=2), arrival=Arrival(17)),
            *made,
            replace(
                self._done("mouse_087_PV", "PV", now - timedelta(days=9), 9),
                state="stale",
                reason="Made with an earlier classifier. Again: ecc-px service rerun --stale, about 30 min.",
            ),
        ]

    def _brain(
        self,
        brain_id: int,
        name: str,
        state: str,
        since: datetime,
        reason: str = "",
        *,
        path: tuple[str, ...] = (),
        **more: object,
    ) -> BrainView:
        times = [since - timedelta(minutes=11 * (len(path) - n) ** 1.6) for n in range(len(path))]
        steps = [*zip(times, path, strict=True), (since, state)]
        history = tuple(
            Change(at, before, after, reason if after == state else "")
            for (at, after), before in zip(steps, (None, *path), strict=True)
        )
        route = "cFos" if "cFos" in name else "PV"
        source = f"/data/incoming/{name}"
        seen = steps[0][0]
        return BrainView(brain_id, name, route, source, state, since, seen, reason, history=history, **more)  # type: ignore[arg-type]

    def _done(self, name: str, route: str, since: datetime, seed: int) -> BrainView:
        folder = self.outputs / route / name
        folder.mkdir(parents=True)
        picture = _invented_picture(seed)
        imsave(folder / f"{name}_thumbnail.png", picture[::2, ::2])
        imsave(folder / f"{name}_overview.png", picture)
        cells = int(90_000 * (1 + 0.4 * np.sin(7 * seed)))
        (folder / f"{name}_cells.csv").write_text("X,Y,Z\n1,2,3\n")
        (folder / f"{name}_cells.csv.receipt.json").write_text('{"invented": true}\n')
        (folder / f"{name}.log").write_text("Everything here is invented.\n")
        (folder / f"{name}_report.html").write_text(
            f"<!doctype html><meta charset=utf-8><title>{name}</title><h1>{name}</h1><p>An invented report."
        )
        outputs = [Output(f"{route}/{name}/{path.name}", path.stat().st_size) for path in sorted(folder.iterdir())]
        outputs.append(Output(f"{route}/{name}/{name}_probabilities.h5", 4 * VOXELS))
        return self._brain(
            200 + seed,
            name,
            "done",
            since,
            f"{cells:,} cells found in 29 min.",
            cells=cells,
            outputs=tuple(outputs),
            attempts=1,
            path=("arriving", "settled", "checked", "queued", "running"),
        )


def _invented_picture(seed: int) -> np.ndarray:
    """Something that looks like a brain from above with cells in it."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[-1:1:360j, -1.35:1.35:480j]
    inside = np.clip(1.6 - 2 * (x**2 + (1.25 * y) ** 2 + 0.25 * np.cos(3 * x) * y), 0, 1)
    texture = gaussian_filter(random.normal(size=y.shape).astype(np.float32), 8)
    brain = inside * (0.35 + 0.26 * texture / np.abs(texture).max() + 0.12 * np.exp(-((x / 0.06) ** 2)))
    density = inside * np.clip(0.5 + texture / texture.std() / 4, 0, 1)
    cells = (random.random(y.shape) < 0.01 * density).astype(np.float32)
    cells = np.clip(gaussian_filter(cells, 0.8) * 5, 0, 1)
    grey = np.clip(brain, 0, 1)
    return np.clip(np.stack([grey + cells, grey + 0.62 * cells, grey + 0.12 * cells], axis=-1), 0, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the status page with invented brains.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--token", help="show the buttons, and take this token")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with tempfile.TemporaryDirectory() as outputs:
        page = StatusPage(InventedBrains(Path(outputs)), Path(outputs), options.host, options.port, token=options.token)
        page.start()
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            page.stop()


if __name__ == "__main__":
    main()
