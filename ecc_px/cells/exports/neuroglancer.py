"""Neuroglancer's precomputed annotations: a folder to serve over HTTP, quick to look at with millions of cells.

The format is that of neuroglancer/src/datasource/precomputed/annotations.md: points with properties, a spatial index
from coarse to fine, each level a random sample of what the coarser ones left, and an index by number, in one shard.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.cells.grid import Grid
from ecc_px.cells.reading import POSITION, CellFile
from ecc_px.cells.table import COLUMNS, UNITS
from ecc_px.volumes.partial import written_whole

ANNOTATIONS = "neuroglancer_annotations_v1"

LIMIT = 5000
"""Cells that Neuroglancer shows at once from one box of a level."""

_SHARED_BITS = 12
"""2¹² consecutive cells share a part of the index by number."""

_LEVELS = 16


def write_neuroglancer(cells: CellFile, path: Path, grid: Grid, *, overwrite: bool = False) -> int:
    """Write a folder of precomputed annotations, in voxels of the volume, with ecc's measures as properties.

    Neuroglancer counts from the corner of the first voxel: a cell in the centre of it lies at 0.5.

    Returns
    -------
    int
        Cells written.
    """
    measures = [name for name in COLUMNS if name in cells.columns and name not in POSITION]
    dtype = np.dtype([("place", "<f4", 3), *((name, "<f4") for name in measures)])
    parts = [np.zeros(0, dtype)]
    cells.require(POSITION)
    for rows in cells.rows(finite=POSITION, numbers=measures):
        part = np.zeros(len(rows), dtype)
        part["place"] = grid.indices(rows.positions)[:, ::-1] + 0.5
        for name in measures:
            part[name] = rows.table[name]
        parts.append(part)
    points = np.concatenate(parts)
    parts.clear()  # millions of cells twice would be most of the memory needed
    lower, upper = _bounds(points["place"], grid)
    with written_whole(path, overwrite=overwrite, is_such_a_folder=_holds_annotations) as folder:
        (folder / "by_id").mkdir(parents=True)
        levels = list(_write_levels(points, lower, upper, folder))
        sharding = _write_shard(points, folder / "by_id" / "0.shard")
        info = {
            "@type": ANNOTATIONS,
            "dimensions": {a: [size * 1e-6, "m"] for a, size in zip("xyz", grid.size_um[::-1], strict=True)},
            "lower_bound": lower.tolist(),
            "upper_bound": upper.tolist(),
            "annotation_type": "POINT",
            "properties": [
                {"id": _property_id(name), "type": "float32", "description": f"{name}: {UNITS[name]}"}
                for name in measures
            ],
            "relationships": [],
            "by_id": {"key": "by_id", "sharding": sharding},
            "spatial": levels,
        }
        (folder / "info").write_text(json.dumps(info, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return len(points)


def _holds_annotations(folder: Path) -> bool:
    """Whether a folder is one of ours: annotations and nothing else."""
    names = {entry.name for entry in folder.iterdir()}
    if not {"info", "by_id"} <= names or any(n not in ("info", "by_id") and not _is_level(n) for n in names):
        return False
    try:
        info = json.loads((folder / "info").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(info, dict) and info.get("@type") == ANNOTATIONS


def _is_level(name: str) -> bool:
    return name.startswith("spatial") and name.removeprefix("spatial").isdecimal()


def _bounds(places: npt.NDArray[np.float32], grid: Grid) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Of the volume, where its shape is known, and of all cells in any case."""
    lower = np.floor(places.min(axis=0, initial=0)).astype(float)
    upper = np.floor(places.max(axis=0, initial=0)).astype(float) + 1
    return lower, upper if grid.shape is None else np.maximum(upper, grid.shape[::-1])


def _write_levels(points: npt.NDArray[Any], lower: Any, upper: Any, folder: Path) -> Iterator[dict[str, Any]]:
    """Write the spatial index; yields what `info` says of each level."""
    # The order is random but always the same; each level takes the beginning of it in each of its boxes.
    left = np.random.default_rng(0).permutation(len(points))
    shape = np.ones(3, np.int64)
    for level in range(_LEVELS):
        chunk = (upper - lower) / shape
        key = f"spatial{level}"
        (folder / key).mkdir()
        number = _box_numbers(points["place"], left, lower, chunk, shape)
        fullest = int(np.bincount(number, minlength=1).max())
        last = level == _LEVELS - 1
        emitted = np.zeros(len(left), bool)
        for cell, members in _grouped(number):
            # The same share from every box, so that what is shown of them keeps their densities.
            share = len(members) if last else -(-len(members) * LIMIT // max(fullest, LIMIT))
            emitted[members[:share]] = True
            x, y, z = (int(i) for i in np.unravel_index(cell, tuple(shape)))
            _write_list(points, left[members[:share]], folder / key / f"{x}_{y}_{z}")
        yield {"key": key, "grid_shape": shape.tolist(), "chunk_size": chunk.tolist(), "limit": LIMIT}
        left = left[~emitted]
        if not len(left):
            return
        # Halve the longest sides: boxes become cubes.
        shape = shape * np.where(chunk > 0.75 * chunk.max(), 2, 1)


def _box_numbers(places: Any, which: Any, lower: Any, chunk: Any, shape: Any) -> npt.NDArray[np.int64]:
    """(n,) the raster number of the box in which each of these points lies."""
    number = np.zeros(len(which), np.int64)
    for axis in range(3):
        box = ((places[which, axis] - lower[axis]) / chunk[axis]).astype(np.int64)
        number = number * shape[axis] + np.clip(box, 0, shape[axis] - 1)
    return number


def _grouped(number: npt.NDArray[np.int64]) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Each number that occurs, with the places where it does, ascending."""
    order = np.argsort(number, kind="stable")
    values, starts = np.unique(number[order], return_index=True)
    ends = [*starts[1:].tolist(), len(order)][: len(values)]
    for value, start, end in zip(values.tolist(), starts.tolist(), ends, strict=True):
        yield value, order[start:end]


def _write_list(points: npt.NDArray[Any], members: npt.NDArray[np.int64], path: Path) -> None:
    count = np.array(len(members), "<u8").tobytes()
    path.write_bytes(count + points[members].tobytes() + members.astype("<u8").tobytes())


def _write_shard(points: npt.NDArray[Any], path: Path) -> dict[str, Any]:
    """Write the index by number: all cells in one file, in their order; returns what `info` says of it."""
    size = points.dtype.itemsize
    share = 1 << _SHARED_BITS
    parts = max(1, -(-len(points) // share))
    bits = (parts - 1).bit_length()
    begins = np.arange(1 << bits, dtype=np.int64) * share
    counts = np.clip(len(points) - begins, 0, share)
    ends = len(points) * size + np.cumsum(24 * counts)
    with path.open("wb") as out:
        out.write(np.stack([ends - 24 * counts, ends], axis=1).astype("<u8").tobytes())
        out.write(points.view(np.uint8).data)
        for begin, count in zip(begins.tolist(), counts.tolist(), strict=True):
            index = np.zeros((3, count), "<u8")
            index[0, 1:] = 1
            index[:2, :1] = [[begin], [begin * size]]
            index[2] = size
            out.write(index.tobytes())
    return {
        "@type": "neuroglancer_uint64_sharded_v1",
        "preshift_bits": _SHARED_BITS,
        "hash": "identity",
        "minishard_bits": bits,
        "shard_bits": 0,
        "minishard_index_encoding": "raw",
        "data_encoding": "raw",
    }


def _property_id(name: str) -> str:
    """Neuroglancer's names begin with a small letter.

    >>> _property_id("BG"), _property_id("deltaI")
    ('bg', 'deltaI')
    """
    return name.lower() if name.isupper() else name
