"""The same facts for programs: plain values that become JSON, and names that are kept.

Times are ISO 8601 with their offset; sizes are bytes, durations seconds. A key that is here stays: scripts rely on it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ecc_px.service.page.addresses import output_address
from ecc_px.service.page.health import problems_of
from ecc_px.service.page.views import BrainView, ServiceView


def service_facts(view: ServiceView) -> dict[str, Any]:
    """`/api/brains`: the service, and every brain without its history and its outputs."""
    problems = problems_of(view)
    return {
        "now": _time(view.now),
        "version": view.version,
        "host": view.host,
        "started": _time(view.started),
        "healthy": not problems,
        "problems": list(problems),
        "paused": view.paused or None,
        "remarks": list(view.remarks),
        "last_scan": _time(view.last_scan),
        "disks": [
            {"path": disk.path, "free": disk.free, "total": disk.total, "wanted": disk.wanted} for disk in view.disks
        ],
        "totals": {
            "brains": view.totals.brains,
            "voxels": view.totals.voxels,
            "seconds": view.totals.seconds,
            "failures": view.totals.failures,
        },
        "brains": [brain_facts(brain, whole=False) for brain in view.brains],
    }


def brain_facts(brain: BrainView, *, whole: bool = True) -> dict[str, Any]:
    """`/api/brains/{id}`: one brain."""
    work, arrival = brain.work, brain.arrival
    facts: dict[str, Any] = {
        "id": brain.id,
        "name": brain.name,
        "route": brain.route,
        "source": brain.source,
        "state": brain.state,
        "since": _time(brain.since),
        "seen": _time(brain.seen),
        "reason": brain.reason or None,
        "attempts": brain.attempts,
        "next_attempt": _time(brain.next_attempt),
        "forecast_seconds": brain.forecast_s,
        "cells": brain.cells,
        "flags": list(brain.flags),
        "work": work
        and {
            "step": work.step,
            "voxels_done": work.done,
            "voxels": work.total,
            "voxels_per_second": work.voxels_per_s,
            "seconds_left": work.seconds_left,
            "heartbeat": _time(work.heartbeat),
        },
        "arrival": arrival and {"files": arrival.files, "expected": arrival.expected, "bytes": arrival.bytes},
    }
    if whole:
        facts["outputs"] = [
            {"path": output.path, "bytes": output.bytes, "address": output_address(output.path)}
            for output in brain.outputs
        ]
        facts["history"] = [
            {"at": _time(change.at), "from": change.before, "to": change.after, "reason": change.reason or None}
            for change in brain.history
        ]
    return facts


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
