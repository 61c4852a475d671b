"""Probabilities and features equal those of real ilastik, stored beside the projects that made them.

The synthetic cases are in tests/data; the others run wherever ../shared/golden is. scripts/parity.py prints the
same comparisons as a table.
"""

import parity
import pytest

from ecc_px import load_classifier
from ecc_px.ilastik import read_project

CASES = parity.cases()
SEED_SET = ("a_brain3d_uint16", "g_handwritten_ilp", "s1_3d_seedset")
"""The 16 features without structure tensor: only eigenvalues near a threshold can differ."""
TINY_12 = "d_mitocheck_v120rc10"
"""A tiny image with scale 10 on large numbers, where ilastik's own float32 noise decides more votes."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_probabilities_are_ilastiks(case):
    found = parity.compare(parity.predict(case), parity.exported_by_ilastik(case))
    allowed = 2e-4 if case.folder.name in SEED_SET else 3e-3 if case.folder.name == TINY_12 else 1e-3
    assert found.differing <= allowed
    assert found.largest <= 0.1
    assert found.other_class <= 1e-4


@pytest.mark.parametrize("path", parity.feature_files(), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_features_are_ilastiks(path):
    _, _, found = parity.compare_stored_features(path)
    assert found.linear <= 2e-6
    assert found.eigenvalues <= 1e-3


@pytest.mark.parametrize("path", parity.filter_files(), ids=lambda path: path.stem)
def test_filters_are_those_of_fastfilters_and_of_vigra(path):
    _, found = parity.compare_filters(path)
    assert found.linear <= 2e-6
    assert found.eigenvalues <= 1e-3


@pytest.mark.parametrize("case", parity.historic_cases(), ids=lambda case: case.flavour)
def test_project_of_ilastik_12_agrees_with_its_own_export_in_vigras_flavour(case):
    found = parity.compare(parity.predict(case), parity.exported_by_ilastik(case))
    assert (found.differing < 0.01) == (case.flavour == "vigra")
    assert (found.other_class <= 1e-4) == (case.flavour == "vigra")


@pytest.mark.parametrize("case", {case.folder: case for case in CASES}.values(), ids=lambda case: case.folder.name)
def test_columns_have_the_names_that_the_project_stored(case):
    project = read_project(case.folder / "project.ilp")
    names = load_classifier(project.path).features.names(project.image_channels, flat=project.is_flat)
    if project.features.compute_in_2d is None:  # ilastik 1.2 did not say "in 2D" yet
        names = [name.replace(" in 2D", "") for name in names]
    assert names == list(project.feature_names)
