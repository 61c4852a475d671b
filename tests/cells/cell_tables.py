"""Small tables of cells for tests, with the receipt that `cells find` leaves beside them."""

import json

HEADER = "X,Y,Z,deltaI,BG,vol,deltaI_total"
VOXEL_UM = (7.0, 6.45, 6.5)
SHAPE = (20, 30, 40)

ROWS = (
    "26.00,12.90,14.00,300.00,100.00,818.31,245492.10",
    "0.00,0.00,0.00,50.00,0.00,292.25,14612.62",
    "253.50,187.05,133.00,100.00,100.00,584.51,58450.50",
    "68.25,96.75,35.70,80.00,120.00,1169.01,93520.80",
)


def table_text(rows=ROWS, header=HEADER):
    return "".join(f"{line}\n" for line in (header, *rows))


def write_table(path, rows=ROWS, header=HEADER, *, voxel_um=VOXEL_UM, shape=SHAPE):
    """A table, and its receipt unless `voxel_um` is None."""
    path.write_text(table_text(rows, header))
    if voxel_um is not None:
        raw = {"path": "/elsewhere/brain.h5", "axes": "zyx", "shape": shape}
        receipt = {"voxel_um_zyx": voxel_um, "raw": raw}
        path.with_name(path.name + ".receipt.json").write_text(json.dumps(receipt))
    return path
