"""Images on disk: one module per format, one contract; blocks."""

from ecc_px.volumes.conversion import convert
from ecc_px.volumes.formats import create_volume, open_volume
from ecc_px.volumes.volume import Layout, Volume, VoxelUm
from ecc_px.volumes.voxel_size import resolve_voxel_size
from ecc_px.volumes.writer import VolumeWriter

__all__ = [
    "Layout",
    "Volume",
    "VolumeWriter",
    "VoxelUm",
    "convert",
    "create_volume",
    "open_volume",
    "resolve_voxel_size",
]
