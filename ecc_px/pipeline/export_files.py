"""The file of one export: its axes, its chunks, and what it says of its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ecc_px.classifiers import Classifier
from ecc_px.pipeline.exports import ROUNDING, ExportPlan
from ecc_px.pipeline.settings import PredictionSettings
from ecc_px.volumes import Layout, Volume, VolumeWriter, VoxelUm, create_volume
from ecc_px.volumes.blocks import Shape

CHUNK_EDGE = 64
FLAT_CHUNK_EDGE = 256


def export_writer(
    plan: ExportPlan,
    path: Path,
    volume: Volume,
    voxel_um: VoxelUm | None,
    classifier: Classifier,
    block_shape: Shape,
    settings: PredictionSettings,
    *,
    overwrite: bool,
) -> VolumeWriter:
    """A writer for an export: axes as the input's with c last, attributes that say what the numbers are."""
    extents = dict(zip("zyx", volume.shape, strict=True)) | {"t": volume.frames, "c": len(plan.channel_names)}
    edge = FLAT_CHUNK_EDGE if volume.shape[0] == 1 else CHUNK_EDGE
    chunks = {axis: min(edge, b, extents[axis]) for axis, b in zip("zyx", block_shape, strict=True)}
    chunks |= {"t": 1, "c": 1}
    axes = volume.axes.replace("c", "") + "c"
    layout = Layout(
        axes=axes,
        stored_shape=tuple(extents[axis] for axis in axes),
        dtype=plan.dtype,
        voxel_um=voxel_um,
        chunks=tuple(chunks[axis] for axis in axes),
        channel_names=plan.channel_names,
    )
    attributes: dict[str, Any] = {"classifier": classifier.path.name, "classifier_sha256": classifier.sha256}
    if plan.kind == "probabilities":
        attributes["rounding"] = ROUNDING[str(plan.dtype)]
        attributes["drange"] = (0.0, 1.0) if plan.dtype.kind == "f" else (0, int(np.iinfo(plan.dtype).max))
        attributes["class_labels"] = [classifier.classes[c].label for c in plan.channels]
    if plan.kind == "segmentation":
        attributes["class_names"] = [c.name for c in classifier.classes]
    return create_volume(
        path,
        layout,
        compression=settings.compression,
        attributes=attributes,
        dataset="probability" if settings.file_format == "ecc" else "exported_data",
        overwrite=overwrite,
        ngff_version="0.5" if settings.file_format == "ome-zarr-0.5" else "0.4",
        jobs=settings.jobs,
        downsampling="nearest" if plan.kind == "segmentation" else "mean",
    )
