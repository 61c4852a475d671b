"""What the service tells a process that it starts: one line of JSON on its standard input."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ecc_px.service.config import Complete, Route, Service


class StopWanted(BaseException):
    """The service asks for an end: the block is finished, the rest is left for the next time."""


@dataclass(frozen=True)
class Job:
    """Check some brains, or process one.

    Parameters
    ----------
    kind : {"check", "run"}
    facility, ledger : Path
    parent : int
        The service's process; without it, this one has nothing to do.
    service : Service
    tasks : tuple of (brain, Route)
        Numbers of brains in the ledger.
    token : str or None
        The lease of the brain that is processed.
    threads : int or None
    memory : int or None
        Bytes.
    """

    kind: Literal["check", "run"]
    facility: Path
    ledger: Path
    parent: int
    service: Service
    tasks: tuple[tuple[int, Route], ...]
    token: str | None = None
    threads: int | None = None
    memory: int | None = None

    def to_json(self) -> str:
        """The job as text."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Job:
        """The job that `to_json` wrote."""
        content: dict[str, Any] = json.loads(text)
        service = content["service"]
        for name in ("state", "output"):
            service[name] = Path(service[name])
        if service["http"]:
            service["http"] = tuple(service["http"])
        content["service"] = Service(**service)
        content["tasks"] = tuple((brain, _route(route)) for brain, route in content["tasks"])
        content["facility"], content["ledger"] = Path(content["facility"]), Path(content["ledger"])
        return cls(**content)


def _route(content: dict[str, Any]) -> Route:
    for name in ("watch", "classifier"):
        content[name] = Path(content[name])
    content["complete"] = Complete(**content["complete"])
    if content["voxel_um"]:
        content["voxel_um"] = tuple(content["voxel_um"])
    return Route(**content)
