"""Checking an input: everything that is missing or damaged in it, not only what comes first."""

from __future__ import annotations

from pathlib import Path

from ecc_px.completeness.findings import CheckReport, Finding, Kind
from ecc_px.completeness.fingerprint import fingerprint
from ecc_px.errors import IncompleteVolume, InvalidSetting, UnreadableVolume
from ecc_px.volumes import open_volume
from ecc_px.volumes.streaming import Progress
from ecc_px.volumes.volume import VoxelUm
from ecc_px.volumes.voxel_size import resolve_voxel_size


def check_input(
    path: str | Path,
    *,
    axes: str | None = None,
    level: int = 0,
    channel: int | None = None,
    allow_missing: bool = False,
    voxel_um: VoxelUm | None = None,
    progress: Progress | None = None,
) -> CheckReport:
    """Look for everything that is missing or damaged in an image.

    Parameters
    ----------
    path : path
        As `open_volume` takes it.
    axes, level
        As of `open_volume`.
    channel : int, optional
        Look at this channel only.
    allow_missing : bool
        Missing planes are a warning, not a finding.
    voxel_um : (z, y, x) µm, optional
        What the caller takes the voxel size to be; that the file says something else is a warning.
    progress : function of (voxels done, voxels in all), optional

    Raises
    ------
    InvalidSetting
        The image can't be looked at in the way that is asked for: wrong axes, no such level or channel.
    """
    path = Path(path)
    warnings: list[Finding] = []
    try:
        with open_volume(path, axes=axes, level=level) as volume:
            planes = volume.shape[0]
            if channel is not None and not 0 <= channel < volume.channels:
                raise InvalidSetting(f"{path}: it has no channel {channel}, only 0 to {volume.channels - 1}.")
            if voxel_um is not None and (warning := resolve_voxel_size(volume, voxel_um)[1]):
                warnings.append(Finding(Kind.other, "voxel size", warning))
    except UnreadableVolume as error:
        kind = Kind.cut_short if isinstance(error, IncompleteVolume) else Kind.unreadable
        return CheckReport(path, findings=(Finding(kind, str(path), str(error)),), fingerprint=_fingerprint(path))
    return CheckReport(path, warnings=tuple(warnings), planes=planes, fingerprint=fingerprint(path))


def _fingerprint(path: Path) -> str:
    """Of a damaged input, as far as it can be read."""
    try:
        return fingerprint(path)
    except UnreadableVolume:
        return ""
