"""What a check of an input found, in sentences for the person who must act."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ecc_px.errors import IncompleteVolume, UnreadableVolume


class Kind(StrEnum):
    """What is wrong with a part of an image."""

    missing_plane = "missing plane"
    missing_chunk = "missing chunk"
    cut_short = "cut short"
    unreadable = "unreadable"
    zero_filled = "zero-filled"
    blank = "blank"
    duplicate = "duplicate"
    odd_plane = "odd plane"
    stranger = "stranger"
    unequal_channels = "unequal channels"
    unstitched = "unstitched"
    other = "other"


_INCOMPLETE = frozenset({Kind.missing_plane, Kind.missing_chunk, Kind.cut_short, Kind.zero_filled, Kind.blank})
"""Kinds of which a part of the image is not there; the others are there and can't be used."""

LISTED_IN_AN_ERROR = 3
"""Findings that an exception's message tells in full."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Parameters
    ----------
    kind : Kind
    where : str
        The plane, chunk or region, e.g. ``brain_Z0123.tif`` or ``z 128:192, y 0:64, x 64:128``.
    sentence : str
        What happened, where, and what to do.
    is_warning : bool
        It may be meant so: the input is not refused for it.
    """

    kind: Kind
    where: str
    sentence: str
    is_warning: bool = False


@dataclass(frozen=True)
class CheckReport:
    """Everything that a check of one input found.

    Parameters
    ----------
    path : Path
    findings : tuple of Finding
        What makes the input unfit, in the order of the planes; empty where all is well.
    warnings : tuple of Finding
        What is odd and may be meant so, such as empty planes at an end, and what `allow_missing` let pass.
    planes : int
        Planes of one channel and frame that are there (0 where nobody can tell).
    fingerprint : str
        See `ecc_px.completeness.fingerprint`; empty where there is nothing to read.
    more : int
        Findings beyond those listed.
    quick : bool
        Only names, sizes and headers were looked at.
    """

    path: Path
    findings: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    planes: int = 0
    fingerprint: str = ""
    more: int = 0
    quick: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def require_ok(self) -> None:
        """Raise an error that tells the first findings and how many there are.

        Raises
        ------
        IncompleteVolume
            A part of the image is missing.
        UnreadableVolume
            It is all there, but something in it can't be used.
        """
        if self.ok:
            return
        told = " ".join(finding.sentence for finding in self.findings[:LISTED_IN_AN_ERROR])
        rest = len(self.findings) + self.more - LISTED_IN_AN_ERROR
        if rest > 0:
            told += f" And {rest:,} more: `ecc-px check {self.path}` lists them."
        is_incomplete = any(finding.kind in _INCOMPLETE for finding in self.findings)
        raise (IncompleteVolume if is_incomplete else UnreadableVolume)(told)

    def as_json(self) -> dict[str, Any]:
        """The report as JSON holds it, for a receipt or a machine."""

        def listed(findings: tuple[Finding, ...]) -> list[dict[str, str]]:
            return [{"kind": f.kind.value, "where": f.where, "sentence": f.sentence} for f in findings]

        return {
            "path": str(self.path),
            "ok": self.ok,
            "planes": self.planes,
            "fingerprint": self.fingerprint,
            "looked_at": "names, sizes and headers" if self.quick else "every voxel",
            "findings": listed(self.findings),
            "more_findings": self.more,
            "warnings": listed(self.warnings),
        }
