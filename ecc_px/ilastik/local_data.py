"""Images copied into a project, where ilastik finds them without any file beside it."""

from __future__ import annotations

import math
import shutil
import uuid
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from ecc_px.errors import OutputFailed
from ecc_px.ilastik.lanes import LOCAL_DATA
from ecc_px.volumes import Layout, Volume
from ecc_px.volumes.axistags import axistags_json
from ecc_px.volumes.blocks import blocks_of
from ecc_px.volumes.chunks import chunk_shape
from ecc_px.volumes.conversion import PIECE_BYTES, piece_shape
from ecc_px.volumes.hdf5_writer import CHUNK_EDGE
from ecc_px.volumes.streaming import Progress


def copy_image(file: h5py.File, volume: Volume, layout: Layout, progress: Progress | None) -> str:
    """Copy a volume into the project, piece by piece, in the axes of `layout`; returns the dataset's name."""
    name = str(uuid.uuid1())
    layout = replace(layout, chunks=chunk_shape(layout, CHUNK_EDGE))
    dataset = file.require_group(LOCAL_DATA).create_dataset(
        name, shape=layout.stored_shape, dtype=layout.dtype, chunks=layout.chunks
    )
    dataset.attrs["axistags"] = axistags_json(layout.axes, layout.voxel_um)
    dataset.attrs["display_mode"] = "default"
    if layout.voxel_um is not None:
        dataset.attrs["element_size_um"] = np.array(layout.voxel_um)
    for number, axis in enumerate(layout.axes):
        dataset.dims[number].label = axis
    done, total = 0, math.prod(volume.shape) * volume.frames
    for block in blocks_of(volume.shape, piece_shape(volume.layout, layout, PIECE_BYTES)):
        for frame in range(volume.frames):
            voxels = volume.read(block.core, frame=frame)
            place = layout.stored_index(block.core, frame, slice(0, volume.channels))
            dataset[place] = layout.to_stored(voxels)
            done += math.prod(voxels.shape[1:])
            if progress is not None:
                progress(done, total)
    return name


def require_room(volume: Volume, project: Path) -> None:
    """Refuse to copy what the disk has no room for, before hours are spent on it."""
    needed = math.prod(volume.layout.stored_shape) * volume.dtype.itemsize + project.stat().st_size
    free = shutil.disk_usage(project.resolve().parent).free
    if needed > free:
        raise OutputFailed(
            f"{project}: with a copy of {volume.path} it needs {needed / 1e9:.1f} GB, but the disk has "
            f"{free / 1e9:.1f} GB left: pass --store link."
        )
