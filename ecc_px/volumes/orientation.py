"""Where the voxels of an image lie in the animal, for formats that say so."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ecc_px.volumes.blocks import Shape
from ecc_px.volumes.volume import VoxelUm


def affine_um_of(voxel_um: VoxelUm, start: Shape = (0, 0, 0)) -> npt.NDArray[np.float64]:
    """From voxel (x, y, z) of an image, or of its crop that begins at `start`, to µm as NIfTI counts them.

    An array (z, y, x) begins at the left, anterior, dorsal corner: x runs to the right, y to posterior and z to
    inferior, where NIfTI counts to the right, anterior and superior.

    Parameters
    ----------
    voxel_um, start : (z, y, x)

    Returns
    -------
    (4, 4) float64

    Examples
    --------
    >>> affine_um_of((7, 6.5, 6.5), start=(0, 0, 10))[:3].tolist()
    [[6.5, 0.0, 0.0, 65.0], [0.0, -6.5, 0.0, 0.0], [0.0, 0.0, -7.0, 0.0]]
    """
    z, y, x = voxel_um
    affine = np.diag([x, -y, -z, 1.0])
    affine[:3, 3] = affine[:3, :3] @ start[::-1] + 0.0  # no -0
    return affine
