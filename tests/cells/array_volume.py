"""A volume in memory, so that a property of cell finding can be tested on thousands of small arrays."""

from pathlib import Path

import numpy as np

from ecc_px.volumes.volume import Layout, Volume


class ArrayVolume(Volume):
    """An array of (z, y, x) or, with `axes`, any order."""

    def __init__(self, array, *, axes="zyx", voxel_um=None, channel_names=None, class_labels=None, chunks=None):
        self.array = np.asarray(array)
        self.path = Path("array.h5")
        self.name = "array"
        self.attributes = {} if class_labels is None else {"class_labels": class_labels}
        self.layout = Layout(
            axes, self.array.shape, self.array.dtype, voxel_um, chunks=chunks, channel_names=channel_names
        )

    def _read_stored(self, index):
        return self.array[index]
