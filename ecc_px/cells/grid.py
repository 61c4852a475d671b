"""The volume that a table of cells was made from: how large its voxels are, how many, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecc_px.errors import InvalidSetting, UnknownVoxelSize
from ecc_px.volumes import VoxelUm
from ecc_px.volumes.blocks import Shape
from ecc_px.volumes.orientation import affine_um_of

_FAR = 2.0**40
"""Beyond any volume, and still a whole number."""

AXES = (
    "X, Y, Z run along the volume's x, y, z: by convention to the right, to posterior and to inferior. "
    "0 is the centre of the first voxel."
)


@dataclass(frozen=True, eq=False)
class Grid:
    """What is known of the volume that a table of cells was made from.

    Parameters
    ----------
    table : str
        The table's path, for messages.
    voxel_um : (z, y, x) µm or None
    shape : (z, y, x) or None
    affine_um : (4, 4) or None
        From voxel (x, y, z) to µm, where the volume's header says it; None for our convention.
    """

    table: str
    voxel_um: VoxelUm | None = None
    shape: Shape | None = None
    affine_um: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if self.voxel_um is not None and not all(0 < size < np.inf for size in self.voxel_um):
            raise InvalidSetting(f"--voxel-um {_spaced(self.voxel_um)}: each must be above 0.")
        if self.shape is not None and min(self.shape) < 1:
            raise InvalidSetting(f"--shape {_spaced(self.shape)}: each must be 1 or more.")

    @property
    def size_um(self) -> VoxelUm:
        """The voxel size, for who can't do without."""
        if self.voxel_um is None:
            raise UnknownVoxelSize(
                f"{self.table}: there is no receipt beside it that says how large a voxel is. Pass --voxel-um Z Y X."
            )
        return self.voxel_um

    @property
    def extent(self) -> Shape:
        """The shape, for who can't do without."""
        if self.shape is None:
            raise InvalidSetting(
                f"{self.table}: there is no receipt beside it that says how large the volume is. "
                "Pass --shape Z Y X, in voxels."
            )
        return self.shape

    @property
    def affine(self) -> npt.NDArray[np.float64]:
        """(4, 4) from voxel (x, y, z) to µm."""
        return affine_um_of(self.size_um) if self.affine_um is None else self.affine_um

    def indices(self, xyz_um: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(n, 3) positions X, Y, Z in µm → (n, 3) voxel index (z, y, x) with fraction."""
        return xyz_um[:, ::-1] / self.size_um

    def nearest(self, xyz_um: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """(n, 3) positions X, Y, Z in µm → (n, 3) the voxel (z, y, x) in which each lies."""
        voxels = np.floor(self.indices(xyz_um) + 0.5)
        return np.clip(voxels, -_FAR, _FAR).astype(np.int64)

    def contains(self, voxels: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """(n,) whether voxels (z, y, x) are the volume's."""
        return np.all((voxels >= 0) & (voxels < self.extent), axis=1)


def _spaced(numbers: tuple[float, ...]) -> str:
    return " ".join(f"{n:g}" for n in numbers)
