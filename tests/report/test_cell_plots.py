"""Profiles count every cell where they say, and are drawn also where there is nothing to draw."""

import numpy as np
import pandas as pd
import pytest

from ecc_px.cells.exports import CellDensity
from ecc_px.cells.reading import CellFile
from ecc_px.report.cell_plots import BINS, draw_density, draw_profiles, profile, profiles_of, write_profiles

PNG = b"\x89PNG"


def test_every_finite_value_is_in_the_linear_histogram_and_every_positive_one_in_the_logarithmic():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.lognormal(3, 1, 5000), np.zeros(7), [1e6, np.inf, np.inf, np.nan]]).astype(np.float32)
    linear, log = profile(values, "SBR", "").histograms
    assert (linear.scale, linear.counts.sum(), len(linear.counts)) == ("linear", 5008, BINS)
    assert (log.scale, log.counts.sum()) == ("log", 5001)
    assert linear.edges[0] == 0
    assert linear.edges[-1] == pytest.approx(np.percentile(values[np.isfinite(values)], 99.5), rel=1e-6)
    assert (log.edges[0], log.edges[-1]) == (values[values > 0].min(), 1e6)


@pytest.mark.parametrize("value", [0.0, 5.0, 1e-3, 3e7])
def test_equal_values_lie_in_one_bin(value):
    found = profile(np.full(10, value, np.float32), "vol", "µm³")
    assert found.median == pytest.approx(value)
    for histogram in found.histograms:
        assert (histogram.counts.sum(), histogram.counts.max()) == (10, 10)


def test_profiles_are_of_intensity_ratio_and_volume(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("X,Y,Z,deltaI,BG,vol\n0,0,0,30,10,5\n0,0,0,10,10,7\n0,0,0,10,0,9\n")
    delta, ratio, volume = profiles_of(CellFile(path))
    assert (delta.measure, delta.cells, delta.median) == ("deltaI", 3, 10)
    assert (ratio.measure, ratio.finite, ratio.median) == ("SBR", 2, 3)  # 4 and 2, and an infinite one
    assert (volume.measure, volume.unit, volume.mean) == ("vol", "µm³", 7)


def test_csv_has_edges_and_counts_with_units(tmp_path):
    write_profiles([profile(np.arange(1, 101, dtype=np.float32), "vol", "µm³")], tmp_path / "p.csv")
    table = pd.read_csv(tmp_path / "p.csv")
    assert list(table) == ["measure", "unit", "scale", "low", "high", "cells"]
    assert table.groupby("scale")["cells"].sum().to_dict() == {"linear": 100, "log": 100}
    assert set(table["unit"]) == {"µm³"}


@pytest.mark.parametrize("values", [[], [0.0], [np.inf], [np.nan, np.nan], [-3.0, -1.0], [1.0, 2.0, 50.0]])
def test_any_values_are_drawn(tmp_path, values):
    draw_profiles([profile(np.array(values, np.float32), "SBR", "")], tmp_path / "p.png", "brain")
    assert (tmp_path / "p.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 40, 25), (60, 2, 2)])
def test_density_is_drawn_for_any_shape(tmp_path, shape):
    density = CellDensity(np.zeros(shape, np.float32), 100.0, 0, 0)
    draw_density(density, tmp_path / "d.png", "brain")
    assert (tmp_path / "d.png").read_bytes().startswith(PNG)
