"""From a probability image to cells in a table: objects, their measures, ecc's CSV."""

from ecc_px.cells.finding import find_cells
from ecc_px.cells.table import COLUMNS, Cells, Summary

__all__ = ["COLUMNS", "Cells", "Summary", "find_cells"]
