"""facility.toml: what is watched, which classifier each stain gets, and how much of the machine may be used."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from ecc_px.errors import InvalidSetting
from ecc_px.service.toml_table import Table
from ecc_px.volumes import Volume, open_volume

Watching = Literal["auto", "inotify", "polling"]
NEWS = ("done", "failed", "late", "disk", "trouble")
"""What people can be told of; trouble is what concerns no single brain, such as a watched folder that is away."""

CELL_SETTINGS = (
    "threshold",
    "split",
    "diameter_um",
    "connectivity",
    "min_volume",
    "max_volume",
    "class",
    "intensity",
    "local_max_rad",
    "background",
    "local_min_rad",
    "local_min_percentile",
    "like",
)
"""Those settings of `ecc_px.find_cells` that a route may have."""
PREDICTION_SETTINGS = ("dtype", "classes", "file_format", "compression", "exports", "skip_below")
"""Those settings of `ecc_px.predict` that a route may have."""

_FORBIDDEN_IN_NAMES = frozenset('/\\\0:*?"<>|\n\r\t')


@dataclass(frozen=True)
class Complete:
    """When a brain counts as arrived; None: this is not asked.

    Parameters
    ----------
    marker : str or None
        Name of a file that appears inside of the brain's folder, or beside the brain as `<brain>.<marker>`.
    planes : int or None
        Files that a complete folder of planes has.
    quiet : float or None
        Seconds without a change.
    """

    marker: str | None = None
    planes: int | None = None
    quiet: float | None = None


@dataclass(frozen=True)
class Route:
    """One stain: the brains that match get this classifier and these settings.

    Parameters
    ----------
    name : str
        Also the folder of its results, below `Service.output`.
    watch : Path
    match : str
        Shell pattern of the names of brains in `watch`; with `/` for brains that lie deeper.
    classifier : Path
    voxel_um : (z, y, x) µm or None
        None: what the brain's files say.
    complete : Complete
    cells, prediction : mapping
        Further settings of `find_cells` and of `predict`.
    axes, level, channel, allow_missing, flavour
        How the image is read, as on the command line.
    """

    name: str
    watch: Path
    match: str
    classifier: Path
    voxel_um: tuple[float, float, float] | None
    complete: Complete
    cells: Mapping[str, Any] = field(default_factory=dict)
    prediction: Mapping[str, Any] = field(default_factory=dict)
    axes: str | None = None
    level: int = 0
    channel: int | str | None = None
    allow_missing: bool = False
    flavour: str = "ilastik"

    @property
    def cell_settings(self) -> dict[str, Any]:
        """Keyword arguments of `find_cells`."""
        return {("class_" if name == "class" else name): value for name, value in self.cells.items()}

    @property
    def prediction_settings(self) -> dict[str, Any]:
        """Keyword arguments of `predict`."""
        return {name: tuple(v) if isinstance(v, list) else v for name, v in self.prediction.items()}

    def open(self, source: str | Path) -> Volume:
        """A brain's image, read as the route says.

        Raises
        ------
        UnreadableVolume, InvalidSetting
        """
        return open_volume(
            source, axes=self.axes, level=self.level, channel=self.channel, allow_missing=self.allow_missing
        )

    def settings_hash(self) -> str:
        """Of everything but the classifier that decides what the results are."""
        deciding = {
            "voxel_um": self.voxel_um,
            "cells": dict(self.cells),
            "prediction": dict(self.prediction),
            "axes": self.axes,
            "level": self.level,
            "channel": self.channel,
            "allow_missing": self.allow_missing,
            "flavour": self.flavour,
        }
        return "sha256:" + hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Service:
    """What the service may use, and where it keeps things.

    Parameters
    ----------
    state : Path
        The ledger, on a local disk.
    output : Path
        Results, logs and reasons of quarantine; one folder per route and brain.
    http : (host, port) or None
        Where the status page listens; None: nowhere.
    token : str or None
        What the page asks for before it lets anybody change anything; None: it is read-only.
    scan : float
        Seconds between two looks at the watched folders.
    watching : {"auto", "inotify", "polling"}
        What wakes the service before the next look: events of the file system, or nothing.
    late : float
        Seconds without growth after which an incomplete brain is late.
    jobs, threads, memory, nice, idle_io
        Brains at a time; threads (None: all processors) and bytes (None: most of what is free) of each, where not
        given divided by jobs.
    keep_free : int
        Bytes on the output's disk that are never used.
    retries, retry_after
        Tries after a passing error, and seconds before the first; each pause is four times the one before.
    """

    state: Path
    output: Path
    http: tuple[str, int] | None = None
    token: str | None = None
    scan: float = 60.0
    watching: Watching = "auto"
    late: float = 6 * 3600.0
    jobs: int = 1
    threads: int | None = None
    memory: int | None = None
    nice: int = 10
    idle_io: bool = True
    keep_free: int = 10 * 10**9
    retries: int = 5
    retry_after: float = 60.0


@dataclass(frozen=True)
class Notify:
    """Whom to tell, of what, and how often at most.

    Parameters
    ----------
    urls : tuple of str
        In the form of apprise: ``mailto://…``, ``slack://…``, ``json://…``.
    on : tuple of {"done", "failed", "late", "disk", "trouble"}
    digest : float
        Seconds in which news are collected into one message.
    """

    urls: tuple[str, ...] = ()
    on: tuple[str, ...] = NEWS
    digest: float = 300.0


@dataclass(frozen=True)
class Facility:
    """A whole facility.toml."""

    path: Path
    service: Service
    routes: tuple[Route, ...]
    notify: Notify = Notify()

    def route(self, name: str) -> Route | None:
        """The route of this name."""
        return next((route for route in self.routes if route.name == name), None)


def read_facility(path: str | Path) -> Facility:
    """Read facility.toml.

    Raises
    ------
    InvalidSetting
        The file is not there or no TOML; a setting is unknown, missing, of the wrong kind, or at odds with another.
        Whether folders and classifiers exist is not asked: a share may be mounted later.
    """
    path = Path(path).absolute()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSetting(
            f"{path}: it can't be read ({error.strerror}); `ecc-px service init {path.name}` writes one."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"{path}: it is not TOML: {error}.") from error
    whole = Table(path, "facility", content)
    service = _service(Table(path, "service", whole.plain("service")))
    notify = _notify(Table(path, "notify", whole.plain("notify")))
    routes = tuple(_route(path, position, table) for position, table in enumerate(whole.tables("route"), 1))
    whole.refuse_others()
    if not routes:
        raise InvalidSetting(f"{path}: it has no [[route]], so there is nothing to watch; add one.")
    facility = Facility(path, service, routes, notify)
    _refuse_tangled(facility)
    return facility


def _service(table: Table) -> Service:
    table.required("state", '"/var/lib/ecc-px/ledger.sqlite"')
    table.required("output", '"/data/results"')
    usual = Service(Path(), Path())
    service = Service(
        state=table.path("state"),
        output=table.path("output"),
        http=_address(table),
        token=table.text("token", None),
        scan=table.duration("scan", usual.scan),
        watching=table.choice("watching", ("auto", "inotify", "polling"), usual.watching),  # type: ignore[arg-type]
        late=table.duration("late", usual.late),
        jobs=table.number("jobs", usual.jobs, least=1),
        threads=table.number("threads", usual.threads, least=1),
        memory=table.size("memory", usual.memory),
        nice=table.number("nice", usual.nice, least=0, most=19),
        idle_io=table.yes_or_no("idle_io", usual.idle_io),
        keep_free=table.size("keep_free", usual.keep_free),
        retries=table.number("retries", usual.retries, least=0),
        retry_after=table.duration("retry_after", usual.retry_after),
    )
    if service.scan < 1:
        raise table.error("scan", "looking more than once a second is of no use.")
    table.refuse_others()
    return service


def _address(table: Table) -> tuple[str, int] | None:
    text = table.text("http", None)
    if text is None:
        return None
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise table.error("http", f"{text!r} is not an address such as 127.0.0.1:8765.")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _notify(table: Table) -> Notify:
    usual = Notify()
    notify = Notify(
        urls=table.texts("urls"),
        on=table.texts("on", NEWS) or usual.on,
        digest=table.duration("digest", usual.digest),
    )
    table.refuse_others()
    return notify


def _route(file: Path, position: int, content: Mapping[str, Any]) -> Route:
    named = content.get("name")
    table = Table(file, f"route {named if isinstance(named, str) else position}", content)
    for key, example in (
        ("name", '"PV"'),
        ("watch", '"/data/incoming"'),
        ("match", '"*_PV*"'),
        ("classifier", '"/data/classifiers/PV.ilp"'),
    ):
        table.required(key, example)
    name = table.text("name", "")
    if name.startswith(".") or name == "earlier" or _FORBIDDEN_IN_NAMES & set(name):
        raise table.error("name", f"{name!r} can't be the name of a folder of results.")
    match = table.text("match", "")
    if match.startswith("/") or any(part in ("", ".", "..", "**") for part in match.split("/")):
        raise table.error("match", f"{match!r} is not a pattern of names below the watched folder, such as *_PV*.")
    complete = table.table("complete")
    route = Route(
        name=name,
        watch=table.path("watch"),
        match=match,
        classifier=table.path("classifier"),
        voxel_um=table.voxel_um("voxel_um"),
        complete=_complete(complete),
        cells=table.settings("cells", CELL_SETTINGS),
        prediction=table.settings("prediction", PREDICTION_SETTINGS),
        axes=table.text("axes", None),
        level=table.number("level", 0, least=0),
        channel=table.number_or_text("channel"),
        allow_missing=table.yes_or_no("allow_missing", False),
        flavour=table.choice("flavour", ("ilastik", "vigra"), "ilastik"),
    )
    table.refuse_others()
    return route


def _complete(table: Table) -> Complete:
    marker = table.text("marker", None)
    if marker is not None and "/" in marker:
        raise table.error("marker", f"{marker!r} is not a plain file name.")
    complete = Complete(marker, table.number("planes", None, least=1), table.duration("quiet", None))
    table.refuse_others()
    if complete == Complete():
        # Metadata may tell how many planes there will be; without it, something must end the waiting.
        return Complete(quiet=600.0)
    return complete


def _refuse_tangled(facility: Facility) -> None:
    """Refuse places inside of each other: results that are watched, or anything of ours among raw data."""
    file, service = facility.path, facility.service
    for one, other in combinations(facility.routes, 2):
        if one.name.casefold() == other.name.casefold():
            raise InvalidSetting(f"{file}: two routes are called {one.name}; their results would get mixed.")
    for route in facility.routes:
        for key, place in (("output", service.output), ("state", service.state)):
            if place.is_relative_to(route.watch):
                raise InvalidSetting(
                    f"{file}: [service] {key}: {place} lies in {route.watch}, which route {route.name} watches; "
                    "nothing is written among raw data. Choose another place."
                )
        if route.watch.is_relative_to(service.output):
            raise InvalidSetting(
                f"{file}: [route {route.name}] watch: {route.watch} lies in the folder of results, "
                f"{service.output}. Choose another place for one of them."
            )
