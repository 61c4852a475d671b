"""Can a facility work? Everything that a configuration speaks of is looked at, and nothing is written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ecc_px.cells.finding import check_settings
from ecc_px.classifiers import class_channel, load_classifier
from ecc_px.errors import EccPxError, LedgerInUse
from ecc_px.pipeline.predict import PredictionSettings
from ecc_px.service.arrival import Arrival
from ecc_px.service.config import Facility, Route
from ecc_px.service.ledger import Brain, Ledger
from ecc_px.service.notifications import unusable
from ecc_px.service.quantities import size
from ecc_px.service.room import free_bytes
from ecc_px.service.wakeup import is_on_network


@dataclass(frozen=True)
class Remark:
    """One thing that was looked at; `is_well` is None where it is only worth knowing."""

    is_well: bool | None
    sentence: str


def examine(facility: Facility) -> Iterator[Remark]:
    """Look at everything that has to be there, to be readable or to be writable."""
    service = facility.service
    yield from _ledger(service.state)
    yield _writable("output", service.output)
    free = free_bytes(service.output)
    yield Remark(
        free > service.keep_free,
        f"output: {service.output} has {size(free)} free; {size(service.keep_free)} are kept so.",
    )
    yield from _beside(facility)
    for route in facility.routes:
        yield from _route(route)


def would_take(facility: Facility) -> tuple[list[Brain], list[str]]:
    """Every brain and what would become of it at the next look, and problems; on a copy of the ledger."""
    with Ledger.copy_of(facility.service.state) as copy:
        made = Arrival(copy, facility, trusts_times=True).look_around()
        return copy.brains(), made.problems


def _ledger(path: Path) -> Iterator[Remark]:
    if is_on_network(_existing(path)):
        yield Remark(False, f"state: {path} lies on a share, where a ledger gets damaged; choose a local disk.")
    if not path.exists():
        yield _writable("state", path.parent)
        return
    try:
        with Ledger.copy_of(path) as copy:
            wrong = copy.contradictions()
            yield Remark(not wrong, f"state: {path} " + ("is sound." if not wrong else f"is damaged: {wrong[0]}"))
            yield Remark(None, f"state: it knows {len(copy.brains()):,} brains.")
    except LedgerInUse:
        raise
    except EccPxError as error:
        yield Remark(False, f"state: {error}")
    if not os.access(path, os.W_OK):
        yield Remark(False, f"state: {path} can't be written by this user ({_user()}).")


def _beside(facility: Facility) -> Iterator[Remark]:
    """The status page and the messages."""
    http, urls = facility.service.http, facility.notify.urls
    needed = (["starlette", "uvicorn", "prometheus_client"] if http else []) + (["apprise"] if urls else [])
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        yield Remark(False, f"http, notify: {', '.join(missing)} not installed: pip install 'ecc-px[service]'.")
        return
    if http is not None:
        from ecc_px.service.page.guard import is_loopback

        where = f"{http[0]}:{http[1]}"
        if is_loopback(http[0]):
            yield Remark(True, f"http: the page can be seen on this machine only, at http://{where}/.")
        else:
            bare = (
                "; the token travels unencrypted, unless a proxy with TLS stands before it"
                if facility.service.token
                else ""
            )
            yield Remark(None, f"http: the page can be seen by everybody who reaches {where}{bare}.")
    for sentence in unusable(urls).values() if urls else ():
        yield Remark(False, f"notify: {sentence}")


def _route(route: Route) -> Iterator[Remark]:
    name = f"route {route.name}"
    if not route.watch.is_dir():
        yield Remark(False, f"{name}: there is no folder {route.watch} to watch; is its share mounted?")
    elif not os.access(route.watch, os.R_OK | os.X_OK):
        yield Remark(False, f"{name}: {route.watch} can't be read by this user ({_user()}).")
    else:
        how = "looked at from time to time (a share)" if is_on_network(route.watch) else "looked at, and listened to"
        yield Remark(True, f"{name}: {route.watch} is {how}.")
    try:
        cells = route.cell_settings
        check_settings(voxel_um=route.voxel_um, **cells)
        if "probabilities" not in PredictionSettings(**route.prediction_settings).exports:
            yield Remark(False, f"{name}: prediction.exports has no probabilities, in which cells are found.")
        classifier = load_classifier(route.classifier, flavour=route.flavour)  # type: ignore[arg-type]
        if cells.get("class_") is not None:
            class_channel(classifier.classes, cells["class_"])
        classes = ", ".join(c.name for c in classifier.classes)
        yield Remark(True, f"{name}: {route.classifier} is a classifier of {classes}.")
    except (EccPxError, TypeError) as error:
        yield Remark(False, f"{name}: {error}")


def _writable(key: str, folder: Path) -> Remark:
    there = _existing(folder)
    if not os.access(there, os.W_OK | os.X_OK):
        return Remark(False, f"{key}: {there} can't be written by this user ({_user()}).")
    return Remark(True, f"{key}: {folder} " + ("can be written." if there == folder else "will be made."))


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _user() -> str:
    return os.environ.get("USER") or f"number {os.geteuid()}"
