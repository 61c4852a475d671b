"""A prediction that makes sense: everything is checked, nothing is done yet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

from ecc_px.classifiers import Classifier
from ecc_px.errors import GridMismatch
from ecc_px.pipeline.block_groups import BlockGroup, Computation, block_groups
from ecc_px.pipeline.block_plan import BlockPlan
from ecc_px.pipeline.export_files import export_writer
from ecc_px.pipeline.exports import ExportPlan, plan_exports
from ecc_px.pipeline.identity import describe_source, versions
from ecc_px.pipeline.settings import PredictionSettings, output_path
from ecc_px.pipeline.tissue import Tissue
from ecc_px.volumes import Volume, VolumeWriter, VoxelUm
from ecc_px.volumes.voxel_size import resolve_voxel_size


@dataclass(frozen=True)
class Task:
    """A prediction that makes sense: everything checked, nothing done."""

    computation: Computation
    settings: PredictionSettings
    outputs: tuple[Path, ...]
    voxel_um: VoxelUm | None
    warnings: tuple[str, ...]

    @property
    def volume(self) -> Volume:
        return self.computation.volume

    @property
    def plans(self) -> tuple[ExportPlan, ...]:
        return self.computation.plans

    @property
    def voxels(self) -> int:
        return prod(self.volume.shape) * self.volume.frames

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything that the bytes of the outputs depend on, except the cut into blocks."""
        settings, mask = self.settings, self.computation.mask
        return {
            "the input": describe_source(self.volume),
            "the mask": None if mask is None else describe_source(mask),
            "the classifier": self.computation.classifier.sha256,
            "the classifier's name": self.computation.classifier.path.name,
            "the flavour": self.computation.classifier.features.flavour,
            "the exports": [plan.kind for plan in self.plans],
            "the type": [str(plan.dtype) for plan in self.plans],
            "the classes": [list(plan.channel_names) for plan in self.plans],
            "the format": settings.file_format,
            "the compression": settings.compression,
            "the voxel size": self.voxel_um,
            "the value below which voxels are left out": settings.skip_below,
            "the way to find the tissue": settings.tissue,
            "the least votes": settings.least_votes,
            "the block": settings.block,
            "the program": versions(),
        }

    def within(self, tissue: Tissue) -> Task:
        """The same task where there is tissue."""
        inside = replace(self, computation=replace(self.computation, tissue=tissue))
        # Looked at once: what the input is at the end may be something else than what was read.
        vars(inside)["identity"] = self.identity
        return inside

    def groups(self, blocks: BlockPlan) -> list[BlockGroup]:
        """The block groups of a cut, in their order."""
        shape = self.volume.shape
        return list(block_groups(self.volume.frames, shape, blocks.block, blocks.halo, blocks.run_length))

    def writers(self, blocks: BlockPlan, *, overwrite: bool) -> list[VolumeWriter]:
        """A writer for each export."""
        return [
            export_writer(
                plan,
                path,
                self.volume,
                self.voxel_um,
                self.computation.classifier,
                blocks.block,
                self.settings,
                overwrite=overwrite,
            )
            for plan, path in zip(self.plans, self.outputs, strict=True)
        ]


def check_task(
    classifier: Classifier, volume: Volume, mask: Volume | None, out_dir: Path, settings: PredictionSettings
) -> Task:
    """Check that a classifier can be applied to a volume in this way.

    Raises
    ------
    ClassifierMismatch, VolumeTooThin, GridMismatch, InvalidSetting
    """
    classifier.check_fits(volume.shape, volume.channels, str(volume.path))
    if mask is not None and (mask.shape, mask.frames) != (volume.shape, volume.frames):
        raise GridMismatch(
            f"The mask {mask.path} has {mask.frames} × {mask.shape} voxels (t × zyx), {volume.path} has "
            f"{volume.frames} × {volume.shape}: a mask must lie on the same grid."
        )
    voxel_um, warning = resolve_voxel_size(volume, settings.voxel_um)
    flat = volume.shape[0] == 1
    if settings.file_format == "ecc":
        plans = plan_exports(classifier, ("probabilities",), "uint8", (1,), volume.channels, flat=flat)
    else:
        plans = plan_exports(classifier, settings.exports, settings.dtype, settings.classes, volume.channels, flat=flat)
    outputs = tuple(output_path(out_dir, volume.name, plan.kind, settings.file_format) for plan in plans)
    computation = Computation(
        classifier,
        volume,
        mask,
        tuple(plans),
        skip_below=settings.skip_below,
        least_votes=settings.least_votes,
    )
    return Task(computation, settings, outputs, voxel_um, (warning,) if warning else ())
