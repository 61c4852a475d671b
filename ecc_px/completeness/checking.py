"""Checking an input: everything that is missing or damaged in it, not only what comes first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecc_px.completeness.findings import CheckReport, Finding, Kind
from ecc_px.completeness.fingerprint import fingerprint
from ecc_px.completeness.judging import Seen, judge
from ecc_px.completeness.plane_files import PlaneStack, announced_planes, read_headers
from ecc_px.completeness.plane_names import Channel, is_folder_of_planes, read_names, unfinished_copies
from ecc_px.completeness.repetition import Plane
from ecc_px.completeness.scanning import scan
from ecc_px.completeness.zarr_files import cut_chunks
from ecc_px.completeness.zero_tail import zero_tail, zero_tail_sentence
from ecc_px.errors import IncompleteVolume, InvalidSetting, UnreadableVolume
from ecc_px.volumes import Volume, open_volume
from ecc_px.volumes.channel_view import ChannelView, channel_number
from ecc_px.volumes.naming import split_inner_path
from ecc_px.volumes.ome_zarr import OmeZarrVolume
from ecc_px.volumes.plane_series import tiff_files_in
from ecc_px.volumes.streaming import Progress, usable_processors
from ecc_px.volumes.tiff_planes import TiffPlanesVolume
from ecc_px.volumes.volume import VoxelUm
from ecc_px.volumes.voxel_size import resolve_voxel_size

LET_PASS = frozenset({Kind.missing_plane, Kind.unequal_channels})
"""What --allow-missing takes as empty."""

DAMAGE = ("damaged", "cut short", "no TIFF", "no HDF5", "no NIfTI", "can't", "not in the file", "do not make one image")
"""Words of the readers about files that are broken; only of those does a tail of zeros tell why."""

LISTED = 200
"""Findings that a report holds; of more, only the number."""


def check_input(
    path: str | Path,
    *,
    axes: str | None = None,
    level: int = 0,
    channel: int | str | None = None,
    allow_missing: bool = False,
    voxel_um: VoxelUm | None = None,
    quick: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> CheckReport:
    """Look for everything that is missing or damaged in an image.

    Every voxel is read once, in bounded memory.

    Parameters
    ----------
    path : path
        As `open_volume` takes it.
    axes, level
        As of `open_volume`.
    channel : int or str, optional
        Look at this channel only, given by its number from 0 or its name.
    allow_missing : bool
        Missing planes are a warning, not a finding.
    voxel_um : (z, y, x) µm, optional
        What the caller takes the voxel size to be; that the file says something else is a warning.
    quick : bool
        Look at names, sizes and headers only.
    jobs : int, optional
        Threads; default one for each processor.
    progress : function of (voxels done, voxels in all), optional

    Raises
    ------
    InvalidSetting
        The image can't be looked at in the way that is asked for: wrong axes, no such level or channel.
    """
    path = Path(path)
    looking = _Looking(allow_missing, quick, jobs or usable_processors(), progress)
    if path.is_dir() and is_folder_of_planes(path):
        found, planes = _check_planes(path, axes, channel, voxel_um, looking)
    else:
        found, planes = _check_file(path, axes, level, channel, voxel_um, looking)
    return _report(path, found, planes, quick=quick)


def open_told(path: str | Path, **reading: Any) -> Volume:
    """`open_volume`, whose refusal tells all that names, sizes and headers show, where it would tell what comes first.

    Parameters
    ----------
    path : path
    **reading
        `axes`, `level`, `channel` and `allow_missing` of `open_volume`.
    """
    try:
        return open_volume(path, **reading)
    except UnreadableVolume:
        check_input(path, quick=True, **reading).require_ok()
        raise


@dataclass(frozen=True)
class _Looking:
    """How an input is looked at."""

    allow_missing: bool
    quick: bool
    jobs: int
    progress: Progress | None

    def through(
        self,
        volume: Volume,
        file_of: Callable[[Plane], Path],
        name_of: Callable[[Plane], str] = lambda plane: str(plane[2]),
        *,
        told: frozenset[tuple[int, ...]] = frozenset(),
        missing: Sequence[int] = (),
    ) -> Iterator[Finding]:
        """What is found by reading a volume.

        Chunks whose (z, y, x) place has been told are not told again, and `missing` planes are taken as empty.
        """
        if self.quick:
            return
        scanned = scan(volume, jobs=self.jobs, progress=self.progress, told=told)
        for tally in scanned.frames:
            tally.lost[list(missing)] = True
        yield from judge(Seen(volume, scanned, name_of, file_of), allow_missing=self.allow_missing)


def _check_planes(
    folder: Path, axes: str | None, channel: int | str | None, voxel_um: VoxelUm | None, looking: _Looking
) -> tuple[list[Finding], int]:
    """Findings of a folder of planes, and how many planes a channel has."""
    found = list(unfinished_copies(folder))
    try:
        whole = open_volume(folder, axes=axes, allow_missing=looking.allow_missing)
    except UnreadableVolume as refusal:
        more, planes = _why_refused(folder, channel, looking)
        found += more
        if all(finding.is_warning for finding in found):
            found.append(_finding_of(folder, refusal))
        return found, planes
    assert isinstance(whole, TiffPlanesVolume)
    with whole:
        found += _voxel_size(whole, voxel_um)
        number = None if channel is None else channel_number(whole, channel)
        if looking.allow_missing:
            found += [_let_pass(f) for f in read_names(folder).findings if f.kind in LET_PASS]
        announced = announced_planes(tiff_files_in(folder))
        found += [_let_pass(f, "The image ends before it.") if looking.allow_missing else f for f in announced]

        def file_of(plane: Plane) -> Path:
            frame, of_channel, z = plane
            return whole.file_of(frame, of_channel if number is None else number, z) or folder

        volume = whole if number is None else ChannelView(whole, number)
        channels, depth = range(volume.channels), volume.shape[0]
        missing = [z for z in range(depth) if any(file_of((0, c, z)) == folder for c in channels)]
        is_file_each = depth == 1 or file_of((0, 0, 0)) != file_of((0, 0, 1))
        if is_file_each:
            found += looking.through(volume, file_of, lambda plane: file_of(plane).name, missing=missing)
        else:
            found += looking.through(volume, file_of)
        return found, whole.shape[0]


def _why_refused(folder: Path, channel: int | str | None, looking: _Looking) -> tuple[list[Finding], int]:
    """Everything that is wrong with a folder that can't be opened, and how many sound planes a channel has."""
    names = read_names(folder)
    found, planes = list(names.findings), 0
    for of_channel in names.channels if channel is None else _chosen(folder, names.channels, channel):
        headers, more = read_headers(of_channel.planes)
        found += more
        planes = max(planes, len(headers))
        if headers:
            stack = PlaneStack(folder, headers)
            found += announced_planes(sorted(header.path for header in headers.values()))
            found += looking.through(stack, stack.file_of, stack.name_of)
    return [_let_pass(f) if looking.allow_missing and f.kind in LET_PASS else f for f in found], planes


def _chosen(folder: Path, channels: Sequence[Channel], channel: int | str) -> list[Channel]:
    """The channel with a name, as ``01``, or with a number from 0."""
    text = str(channel)
    named = [c for c in channels if c.name == text]
    if not named and text.isdecimal():
        named = list(channels[int(text) : int(text) + 1])
    if channels and not named:
        raise InvalidSetting(
            f"{folder}: it has no channel {text!r}, only {', '.join(c.name or '0' for c in channels)}."
        )
    return named


def _let_pass(finding: Finding, what_was_done: str = "Treated as empty.") -> Finding:
    sentence = f"{finding.sentence.partition(' Copy')[0]} {what_was_done}"
    return Finding(finding.kind, finding.where, sentence, is_warning=True)


def _check_file(
    path: Path, axes: str | None, level: int, channel: int | str | None, voxel_um: VoxelUm | None, looking: _Looking
) -> tuple[list[Finding], int]:
    """Findings of a file or a Zarr folder, and how many planes it has."""
    try:
        with open_volume(path, axes=axes, level=level) as whole:
            volume = whole if channel is None else ChannelView(whole, channel)
            cut = list(cut_chunks(whole)) if isinstance(whole, OmeZarrVolume) else []
            found = [*(chunk.finding for chunk in cut), *_voxel_size(whole, voxel_um)]
            if path.suffix == ".gz":
                # A compressed NIfTI file is unpacked by the first read, and fails there as a whole.
                volume.read((slice(0, 1), slice(0, 1), slice(0, 1)))
            places = frozenset(_spatial(chunk.place, whole.axes) for chunk in cut)
            found += looking.through(volume, lambda plane: path, told=places)
            return found, volume.shape[0]
    except UnreadableVolume as error:
        return [_finding_of(path, error)], 0


def _voxel_size(volume: Volume, given: VoxelUm | None) -> Iterator[Finding]:
    """That the file says something else of the voxel size than the caller."""
    warning = None if given is None else resolve_voxel_size(volume, given)[1]
    if warning is not None:
        yield Finding(Kind.other, "voxel size", warning, is_warning=True)


def _spatial(place: tuple[int, ...], axes: str) -> tuple[int, ...]:
    """A chunk's place along z, y, x."""
    by_axis = dict(zip(axes, place, strict=False))
    return tuple(by_axis.get(axis, 0) for axis in "zyx")


def _finding_of(path: Path, error: UnreadableVolume) -> Finding:
    """Why an image can't be opened."""
    file = split_inner_path(path)[0]
    zeros = zero_tail(file) if any(word in str(error) for word in DAMAGE) else 0
    if zeros:
        return Finding(Kind.zero_filled, str(path), zero_tail_sentence(file, zeros))
    kind = Kind.unreadable
    if isinstance(error, IncompleteVolume):
        kind = Kind.cut_short if "cut short" in str(error) else Kind.missing_plane
    return Finding(kind, str(path), str(error))


def _report(path: Path, found: Sequence[Finding], planes: int, *, quick: bool) -> CheckReport:
    defects = [finding for finding in found if not finding.is_warning]
    warnings = [finding for finding in found if finding.is_warning]
    try:
        recognised_by = fingerprint(path)
    except UnreadableVolume:
        recognised_by = ""
    return CheckReport(
        path,
        findings=tuple(defects[:LISTED]),
        warnings=tuple(warnings[:LISTED]),
        planes=planes,
        fingerprint=recognised_by,
        more=max(0, len(defects) - LISTED),
        quick=quick,
    )
