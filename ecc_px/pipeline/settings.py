"""How a classifier is applied, and what the results are called."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ecc_px.errors import InvalidSetting
from ecc_px.pipeline.exports import Export, ProbabilityDtype
from ecc_px.volumes import VoxelUm
from ecc_px.volumes.blocks import Shape

FileFormat = Literal["hdf5", "ome-zarr", "ome-zarr-0.5", "tiff", "ecc"]
"""ome-zarr is version 0.4. ecc's is HDF5 with label 1 alone, as uint8, in a dataset called `probability`."""

EXTENSIONS: dict[FileFormat, str] = {
    "hdf5": ".h5",
    "ome-zarr": ".ome.zarr",
    "ome-zarr-0.5": ".ome.zarr",
    "tiff": ".tif",
    "ecc": ".h5",
}


@dataclass(frozen=True)
class PredictionSettings:
    """How to apply a classifier; the defaults give what ilastik exports.

    Parameters
    ----------
    exports : tuple of {"probabilities", "segmentation", "uncertainty", "features"}
    dtype : {"float32", "uint8", "uint16"}
        Of probabilities; `exports.ROUNDING` says how they are rounded.
    classes : tuple of label numbers or names, optional
        Channels of the probability image; default all, in the order of their labels.
    file_format : {"hdf5", "ome-zarr", "ome-zarr-0.5", "tiff", "ecc"}
    compression : {"gzip", "lzf", "none"}, optional
        Default: the format's own, gzip for HDF5.
    voxel_um : (z, y, x) µm, optional
        Written to the outputs; default what the volume's file says.
    jobs : int, optional
        Threads at most; default one for each processor.
    memory : int, optional
        Bytes that the process may take at most; fewer threads and smaller blocks keep to it. Default: most of what
        the machine, or the container, has free.
    skip_below : float, optional
        A voxel is 0 in every export if everything within reach of its features is below it, in every channel;
        blocks of nothing else are never computed.
    tissue : "auto", optional
        Parts of the volume that are certainly empty are 0 in every export; see `pipeline.tissue`.
    least_votes : int, optional
        The probability of a voxel with fewer votes for the one class of `classes` is 0: in most of a brain, that is
        known before all trees are asked.
    overwrite : bool
    restart : bool
        Throw away what an earlier, unfinished attempt left, instead of going on with it.
    block : (z, y, x) voxels, optional
        Default chosen from the number of features and the memory. Voxels do not depend on it.
    run_length : int, optional
        Voxels along x of the blocks that are read, and kept, at once.
    """

    exports: tuple[Export, ...] = ("probabilities",)
    dtype: ProbabilityDtype = "float32"
    classes: tuple[str | int, ...] | None = None
    file_format: FileFormat = "hdf5"
    compression: str | None = None
    voxel_um: VoxelUm | None = None
    jobs: int | None = None
    memory: int | None = None
    skip_below: float | None = None
    tissue: Literal["auto"] | None = None
    least_votes: int | None = None
    overwrite: bool = False
    restart: bool = False
    block: Shape | None = None
    run_length: int | None = None

    def __post_init__(self) -> None:
        if self.file_format not in get_args(FileFormat):
            raise InvalidSetting(
                f"There is no output format {self.file_format!r}; choose from {', '.join(EXTENSIONS)}."
            )
        if self.tissue not in (None, "auto"):
            raise InvalidSetting(f"There is no way {self.tissue!r} to find the tissue: 'auto' is one.")
        if self.jobs is not None and self.jobs < 1:
            raise InvalidSetting(f"{self.jobs} threads can't compute anything: pass a number from 1.")
        if self.block is not None and min(self.block) < 1:
            raise InvalidSetting(f"A block of {self.block} voxels is empty.")
        if self.least_votes is not None and (self.exports != ("probabilities",) or len(self.classes or ()) != 1):
            raise InvalidSetting("Votes are counted to the end for all but the probabilities of a single class.")
        fixed = {"exports": ("probabilities",), "dtype": "float32", "classes": None}
        ignored = [name for name, default in fixed.items() if getattr(self, name) != default]
        if self.file_format == "ecc" and ignored:
            raise InvalidSetting(
                f"The format 'ecc' is label 1 alone as uint8, and leaves no choice of {', '.join(ignored)}: "
                "choose another format."
            )

    def as_json(self) -> dict[str, Any]:
        """The settings for a receipt."""
        return asdict(self)


def output_path(out_dir: Path, name: str, export: Export, file_format: FileFormat) -> Path:
    """Where an export of the volume called `name` is written."""
    return out_dir / f"{name}_{export}{EXTENSIONS[file_format]}"
