"""What an input is recognised by: names, sizes and samples of its bytes, never its dates.

A copy of a brain on another disk has the same fingerprint, and a brain in which one plane was copied again has
another one, mostly: bytes between the samples are not looked at.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ecc_px.completeness.clutter import belongs_to_image
from ecc_px.completeness.plane_names import is_folder_of_planes
from ecc_px.errors import UnreadableVolume
from ecc_px.volumes.companions import companions_of, may_tell_of_data
from ecc_px.volumes.naming import TIFF_SUFFIXES, split_inner_path, suffix_of

SAMPLE_BYTES = 4096
"""Of each sample: what a disk reads at once anyway."""

SAMPLES = 6144
"""Samples of a whole input, spread over its files."""

SAMPLES_OF_A_FILE = (2, 64)
"""Fewest and most samples of one file; its first and its last bytes are always among them."""

SIZED_FILES = 20_000
"""Files whose size is asked for. An OME-Zarr may have millions of chunk files, and asking is slow on a share."""


def fingerprint(path: str | Path) -> str:
    """A short text that is the same for the same image, wherever it lies and whenever it was copied.

    Names (relative to the input), sizes, and samples of 4 KiB: 64 of a single file, 2 of each plane of a folder of
    3,000. In a folder of planes, only planes count. Of a folder with more than 3,072 files, evenly chosen ones are
    sampled, and above 20,000 files only their sizes are asked for: the work is bounded but for the list of names.

    Parameters
    ----------
    path : path
        A file or a folder; BigDataViewer's .xml stands for its images, too. A path inside an HDF5 file or a Zarr folder
        may follow and becomes part of it.

    Returns
    -------
    str
        ``sha256:`` and 64 hexadecimal digits.

    Raises
    ------
    UnreadableVolume
        There is nothing at `path`, or it can't be read.
    """
    source, inner_path = split_inner_path(Path(path))
    try:
        return _fingerprint(source, inner_path)
    except FileNotFoundError as error:
        raise UnreadableVolume(f"{error.filename or source}: there is no such file or folder.") from error
    except OSError as error:
        raise UnreadableVolume(f"{error.filename or source}: it can't be read ({error.strerror}).") from error


def _fingerprint(source: Path, inner_path: str | None) -> str:
    digest = hashlib.sha256(b"ecc_px fingerprint 1\n")
    digest.update(f"inside {inner_path}\n".encode())
    # A single file is recognised by what is in it: renaming does not make it another image.
    files = list(_files_in(source)) if source.is_dir() else [("", source), *_told_of_by(source)]
    for name, _ in files:
        digest.update(f"{name}\n".encode(errors="surrogateescape"))
    sized = _evenly(files, SIZED_FILES)
    fewest, most = SAMPLES_OF_A_FILE
    sampled = frozenset(name for name, _ in _evenly(sized, SAMPLES // fewest))
    count = max(fewest, min(most, SAMPLES // max(1, len(sampled))))

    def look_at(entry: tuple[str, Path]) -> bytes:
        name, file = entry
        return _look_at(file, count if name in sampled else 0)

    # Most of the time is waiting for the disk or the share.
    with ThreadPoolExecutor(8) as pool:
        for seen in pool.map(look_at, sized):
            digest.update(seen)
    return f"sha256:{digest.hexdigest()}"


def _told_of_by(source: Path) -> Iterator[tuple[str, Path]]:
    """The data files that a BigDataViewer .xml tells of."""
    if not may_tell_of_data(source):
        return
    for number, data in enumerate(companions_of(source) or ()):
        if data.is_dir():
            yield from ((f"data {number}/{name}", file) for name, file in _files_in(data))
        elif data.exists():
            yield f"data {number}", data


def _look_at(file: Path, samples: int) -> bytes:
    """A digest of a file's size and of evenly spread samples of its bytes."""
    if not samples:
        return file.stat().st_size.to_bytes(8, "big")
    digest = hashlib.sha256()
    with file.open("rb", buffering=0) as stream:
        size = os.fstat(stream.fileno()).st_size
        digest.update(size.to_bytes(8, "big"))
        last = max(0, size - SAMPLE_BYTES)
        for offset in sorted({last * number // (samples - 1) for number in range(samples)}):
            digest.update(os.pread(stream.fileno(), SAMPLE_BYTES, offset))
    return digest.digest()


def _evenly(files: Sequence[tuple[str, Path]], most: int) -> Sequence[tuple[str, Path]]:
    """At most `most` of them, evenly chosen, the first and the last included."""
    if len(files) <= most:
        return files
    return [files[number * (len(files) - 1) // (most - 1)] for number in range(most)]


@dataclass(frozen=True)
class _Folder:
    path: str
    name: str
    above: frozenset[tuple[int, int]]
    """Device and inode of the folders above it, by which a link that leads back is noticed."""


def _files_in(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name relative to the folder, and path, of every file that belongs to an image, sorted by name."""
    only_planes = is_folder_of_planes(folder)
    found: list[tuple[str, Path]] = []
    waiting = [_Folder(str(folder), "", frozenset({_identity(folder)}))]
    while waiting:
        current = waiting.pop()
        with os.scandir(current.path) as entries:
            for entry in entries:
                if not belongs_to_image(entry.name):
                    continue
                name = f"{current.name}{entry.name}"
                if entry.is_dir():
                    identity = _identity(Path(entry.path))
                    if not only_planes and identity not in current.above:
                        waiting.append(_Folder(entry.path, f"{name}/", current.above | {identity}))
                elif not only_planes or suffix_of(Path(entry.name)) in TIFF_SUFFIXES:
                    found.append((name, Path(entry.path)))
    # By the bytes of the names: the order must not depend on the machine's language.
    return iter(sorted(found, key=lambda file: os.fsencode(file[0])))


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
