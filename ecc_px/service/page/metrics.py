"""`/metrics` for Prometheus. What each one means is in docs/status-page.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from ecc_px.service.page.health import problems_of
from ecc_px.service.page.views import ServiceView
from ecc_px.service.page.wording import STATES

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

WAITING = ("settled", "checked", "queued", "retry")


class _Snapshot:
    """One view as Prometheus' library wants it."""

    def __init__(self, view: ServiceView) -> None:
        self.view = view

    def collect(self) -> Iterator[Metric]:
        return metrics_of(self.view)


def metrics_text(view: ServiceView) -> bytes:
    """All metrics in the text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(view))
    return generate_latest(registry)


def metrics_of(view: ServiceView) -> Iterator[Metric]:
    """All metrics. Names of brains are none of their labels: a series for every brain would never end."""
    now = view.now
    yield _gauge("ecc_px_info", "Version of ecc_px; always 1.", {("version", view.version): 1.0})
    yield _gauge("ecc_px_healthy", "1 while scan and workers do their work, else 0.", float(not problems_of(view)))
    yield _gauge("ecc_px_paused", "1 while no brain is begun, for want of room for example.", float(bool(view.paused)))
    yield _gauge("ecc_px_start_time_seconds", "When the service began.", view.started.timestamp())

    states = Counter(brain.state for brain in view.brains)
    counts = {("state", state): float(states[state]) for state in sorted(STATES.keys() | states.keys())}
    yield _gauge("ecc_px_brains", "Brains by state.", counts)

    waiting = [(now - brain.since).total_seconds() for brain in view.brains if brain.state in WAITING]
    yield _gauge(
        "ecc_px_queue_age_seconds", "How long the brain has waited that waits longest.", max(0.0, *waiting, 0.0)
    )
    work = [brain.work for brain in view.brains if brain.state == "running" and brain.work]
    yield _gauge(
        "ecc_px_running_voxels_per_second",
        "Speed of all brains that are running.",
        sum(w.voxels_per_s or 0.0 for w in work),
    )
    beats = [(now - w.heartbeat).total_seconds() for w in work if w.heartbeat]
    yield _gauge(
        "ecc_px_heartbeat_age_seconds", "Silence of the quietest worker; 0 without one.", max(0.0, *beats, 0.0)
    )
    scan_age = (now - (view.last_scan or view.started)).total_seconds()
    yield _gauge("ecc_px_last_scan_age_seconds", "Time since the last scan ended.", max(0.0, scan_age))

    totals = view.totals
    yield _counter("ecc_px_brains_done", "Brains that were finished.", totals.brains)
    yield _counter("ecc_px_voxels", "Voxels of the brains that were finished.", totals.voxels)
    yield _counter("ecc_px_work_seconds", "Seconds that finished brains took.", totals.seconds)
    yield _counter("ecc_px_failures", "Attempts that failed.", totals.failures)

    for name, text, values in (
        ("free", "Room that is left on a disk.", {("path", disk.path): float(disk.free) for disk in view.disks}),
        ("size", "Size of a disk.", {("path", disk.path): float(disk.total) for disk in view.disks}),
        ("wanted", "With less room no brain is begun.", {("path", d.path): float(d.wanted) for d in view.disks}),
    ):
        yield _gauge(f"ecc_px_disk_{name}_bytes", text, values)


def _gauge(name: str, text: str, value: float | dict[tuple[str, str], float]) -> Metric:
    if not isinstance(value, dict):
        return GaugeMetricFamily(name, text, value=value)
    labels = sorted({label for label, _ in value})
    family = GaugeMetricFamily(name, text, labels=labels)
    for (_, of), amount in value.items():
        family.add_metric([of], amount)
    return family


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)
