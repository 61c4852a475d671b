"""--axes and --level mean the same in every command that reads a volume."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from ecc_px.volumes import Layout, create_volume, open_volume
from ecc_px.volumes.blocks import whole

PROJECT = Path(__file__).parents[1] / "data" / "synthetic" / "s1_3d_seedset" / "project.ilp"


def ecc_px(*arguments):
    command = [sys.executable, "-m", "ecc_px", *map(str, arguments)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_a_level_of_a_pyramid_goes_all_the_way_to_cells(tmp_path):
    shape = (40, 48, 300)
    layout = Layout(axes="zyx", stored_shape=shape, dtype=np.dtype(np.uint16), voxel_um=(5, 2, 2), chunks=(16, 16, 16))
    image = np.random.default_rng(0).integers(100, 3000, (1, *shape), np.uint16)
    with create_volume(tmp_path / "brain.ome.zarr", layout) as writer:
        writer.write(whole(shape), image)

    assert "z 20, y 24, x 150" in ecc_px("info", tmp_path / "brain.ome.zarr", "--level", 1)
    ecc_px("predict", PROJECT, tmp_path / "brain.ome.zarr", "-o", tmp_path, "--level", 1)
    with open_volume(tmp_path / "brain_probabilities.h5") as probabilities:
        assert probabilities.shape == (20, 24, 150)
        assert probabilities.voxel_um == (10, 4, 4)
    found = tmp_path / "brain_probabilities.h5"
    ecc_px("cells", "find", found, "--raw", tmp_path / "brain.ome.zarr", "--level", 1, "-o", tmp_path)
    ecc_px("run", PROJECT, tmp_path / "brain.ome.zarr", "--level", 1, "-o", tmp_path / "run")
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "brain_cells.csv"), pd.read_csv(tmp_path / "run" / "brain_cells.csv")
    )


def test_axes_given_by_hand_win_over_the_file(tmp_path):
    image = np.random.default_rng(0).integers(0, 3000, (20, 24, 28), np.uint16)
    for name, stored in (("zyx", image), ("xyz", image.transpose())):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["data"] = stored
        ecc_px("predict", PROJECT, tmp_path / f"{name}.h5", "-o", tmp_path, "--axes", name)
    with open_volume(tmp_path / "zyx_probabilities.h5") as a, open_volume(tmp_path / "xyz_probabilities.h5") as b:
        assert b.axes == "xyzc"
        np.testing.assert_array_equal(a.read(), b.read())
