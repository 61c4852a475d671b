"""Tables of cells in the formats of other programs: one module for each, all streaming."""

from ecc_px.cells.exports.brainglobe import write_brainglobe
from ecc_px.cells.exports.cubic import write_cubic
from ecc_px.cells.exports.density import CellDensity, density_of, write_density
from ecc_px.cells.exports.napari import write_napari
from ecc_px.cells.exports.neuroglancer import write_neuroglancer
from ecc_px.cells.exports.parquet import write_parquet
from ecc_px.cells.exports.positions import write_positions

__all__ = [
    "CellDensity",
    "density_of",
    "write_brainglobe",
    "write_cubic",
    "write_density",
    "write_napari",
    "write_neuroglancer",
    "write_parquet",
    "write_positions",
]
