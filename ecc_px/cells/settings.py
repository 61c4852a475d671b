"""How cells are found: what each setting of `find_cells` is where none is given, and which make no sense together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ecc_px.cells.inputs import Kind
from ecc_px.cells.measuring import BackgroundMode, IntensityMode, Measuring
from ecc_px.cells.selection import Selection
from ecc_px.cells.splitting import Split
from ecc_px.cells.threshold import check_threshold
from ecc_px.errors import InvalidSetting

THRESHOLD, ECC_THRESHOLD = 0.5, 0.7

Like = Literal["ecc"]
Input = Literal["auto", "probabilities", "classes", "labels"]


@dataclass(frozen=True)
class Settings:
    """What was chosen for an image of one kind, by `settings_for`.

    Parameters
    ----------
    kind : "probabilities", "classes" or "labels"
    is_like_ecc : bool
    threshold : float
    split : "auto", "none", "maxima" or "distance"
    diameter_um : float or None
        None: to be estimated where objects are split.
    selection : Selection
    measuring : Measuring
    """

    kind: Kind
    is_like_ecc: bool
    threshold: float
    split: Split
    diameter_um: float | None
    selection: Selection
    measuring: Measuring

    @property
    def is_split(self) -> bool:
        return self.split != "none"

    def by_name(self) -> dict[str, object]:
        """Those settings of `find_cells` that have a value even if none was given."""
        least = self.selection.min_volume
        return {
            "input": self.kind,
            "threshold": self.threshold,
            "split": self.split,
            "connectivity": self.selection.connectivity,
            "min_volume": least - 1 if self.is_like_ecc else least,
            "background": self.measuring.background,
        }


def settings_for(
    kind: Kind,
    *,
    threshold: float | None,
    split: Split | None,
    diameter_um: float | None,
    connectivity: int | None,
    min_volume: int | None,
    max_volume: int | None,
    intensity: IntensityMode,
    local_max_rad: int,
    background: BackgroundMode | None,
    local_min_rad: int,
    local_min_percentile: float,
    like: Like | None,
) -> Settings:
    """Settings of `find_cells` for an image of a kind; None: the default.

    Raises
    ------
    InvalidSetting
    """
    refuse_unknown("like", like, (None, *get_args(Like)))
    refuse_unknown("split", split, (None, *get_args(Split)))
    is_like_ecc = like == "ecc"
    method: Split = split or ("none" if is_like_ecc or kind == "labels" else "auto")
    if kind == "labels" and method != "none":
        raise InvalidSetting(f"split {method} is for probabilities: the labels of an image are objects already.")
    if diameter_um is not None and not (math.isfinite(diameter_um) and diameter_um > 0):
        raise InvalidSetting(f"diameter {diameter_um} µm: a length above 0 is needed, or auto.")
    if diameter_um is not None and method == "none":
        raise InvalidSetting(f"diameter {diameter_um:g} µm: it is for splitting, and nothing is split.")
    if threshold is None:
        threshold = ECC_THRESHOLD if is_like_ecc else THRESHOLD
    check_threshold(threshold)
    if background is None:
        background = "percentile" if is_like_ecc else "shell"
    return Settings(
        kind,
        is_like_ecc,
        threshold,
        method,
        diameter_um,
        _selection(connectivity, min_volume, max_volume, is_split=method != "none", is_like_ecc=is_like_ecc),
        Measuring(intensity, local_max_rad, background, local_min_rad, local_min_percentile),
    )


def _selection(
    connectivity: int | None, min_volume: int | None, max_volume: int | None, *, is_split: bool, is_like_ecc: bool
) -> Selection:
    """The limits that were asked for; ecc's lower one is the largest volume that is no cell."""
    if is_split and connectivity in (6, 18):
        raise InvalidSetting(f"connectivity {connectivity}: objects are split among 26 neighbours; or say split none.")
    least = (0 if min_volume is None else min_volume) + 1 if is_like_ecc else 1 if min_volume is None else min_volume
    chosen = connectivity if connectivity is not None else 26 if is_split else 6
    return Selection(chosen, least, max_volume)


def refuse_unknown(name: str, chosen: object, known: Sequence[object]) -> None:
    """Refuse a word that is none of those that a setting can be."""
    if chosen not in known:
        raise InvalidSetting(f"{name} {chosen!r}: choose one of {', '.join(str(k) for k in known if k is not None)}.")
