"""`--voxel-um` takes three numbers, or one for all three axes."""

import pytest

from ecc_px.cli.voxel_size import along_each_axis
from ecc_px.errors import InvalidSetting


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("run M.ilp a.h5 --voxel-um 6.5 -o out", "run M.ilp a.h5 --voxel-um 6.5 6.5 6.5 -o out"),
        ("run M.ilp --voxel-um 7 6.45 6.5 a.h5", "run M.ilp --voxel-um 7 6.45 6.5 a.h5"),
        ("convert a.h5 b.h5 --voxel-um 4", "convert a.h5 b.h5 --voxel-um 4 4 4"),
        ("info a.h5", "info a.h5"),
    ],
)
def test_one_number_stands_for_three(typed, meant):
    assert along_each_axis(typed.split()) == meant.split()


def test_two_numbers_are_refused_with_what_is_needed():
    with pytest.raises(InvalidSetting, match=r"--voxel-um 7 6\.45: three numbers are needed, z y x in µm, or one"):
        along_each_axis(["run", "M.ilp", "a.h5", "--voxel-um", "7", "6.45", "-o", "out"])
