"""The forest's arrays lead every voxel to the leaf that vigra's arrays lead it to; damage is refused by tree."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from ecc_px.errors import UnreadableProject, UnsupportedProject
from ecc_px.ilastik import read_project

REPO = Path(__file__).resolve().parents[2]
GOLDEN = REPO / ".." / "shared" / "golden" / "ilastik"
PROJECTS = [
    *sorted((REPO / "tests" / "data" / "synthetic").glob("*/project.ilp")),
    *(path for path in sorted(GOLDEN.glob("*/project.ilp")) if "autocontext" not in str(path)),
]
LEAF = 0x40000000
FORESTS = "PixelClassification/ClassifierForests"
TREE = f"{FORESTS}/Forest0000/Tree_0"


def fractions_by_vigras_rule(topology, parameters, row):
    """Follow vigra's own arrays, one node at a time."""
    node = 2
    while topology[node] != LEAF:
        threshold = parameters[topology[node + 1] + 1]
        node = topology[node + 2] if float(row[topology[node + 4]]) < threshold else topology[node + 3]
    leaf = topology[node + 1]
    return parameters[leaf + 1 : leaf + 1 + topology[1]]


def fractions_by_forest(forest, tree, row):
    node = forest.roots[tree]
    while forest.feature[node] >= 0:
        is_left = float(row[forest.feature[node]]) < forest.threshold[node]
        node = forest.left[node] if is_left else forest.right[node]
    return forest.fractions[node]


@pytest.mark.parametrize("path", PROJECTS, ids=lambda path: path.parent.name)
def test_every_tree_votes_as_its_stored_arrays_do(path):
    forest = read_project(path).require_trained()
    rng = np.random.default_rng(1)
    # Values at and around the thresholds: a tie must go right in both.
    splits = forest.feature >= 0
    rows = rng.choice(forest.threshold[splits], (12, forest.n_features)).astype(np.float32)
    for row, node in zip(rows[:6], rng.choice(np.flatnonzero(splits), 6), strict=True):
        row[forest.feature[node]] = forest.threshold[node]
    tree = 0
    with h5py.File(path) as file:
        parts = file[FORESTS]
        for part in sorted(name for name in parts if name.startswith("Forest")):
            for name in sorted(name for name in parts[part] if name.startswith("Tree_")):
                topology = parts[part][name]["topology"][()].tolist()
                parameters = parts[part][name]["parameters"][()]
                for row in rows:
                    expected = fractions_by_vigras_rule(topology, parameters, row)
                    assert np.array_equal(fractions_by_forest(forest, tree, row), expected)
                tree += 1
    assert tree == forest.n_trees == sum(forest.part_sizes)


def test_nodes_of_a_tree_stay_together_and_its_root_is_first():
    forest = read_project(PROJECTS[0]).require_trained()
    inner = forest.feature >= 0
    tree = np.searchsorted(forest.roots, np.arange(len(forest.feature)), side="right")
    assert np.array_equal(tree[forest.left[inner]], tree[inner])
    assert np.array_equal(tree[forest.right[inner]], tree[inner])
    assert np.array_equal(forest.fractions[inner], np.zeros((inner.sum(), forest.n_classes)))
    assert np.all(forest.left[~inner] == -1)


def replace(file, name, values):
    old = file[name][()]
    del file[name]
    file[name] = np.asarray(values, old.dtype)


def test_tree_of_a_single_leaf_is_read(edited):
    def edit(file):
        replace(file, f"{TREE}/topology", [48, 3, LEAF, 0])
        replace(file, f"{TREE}/parameters", [7.0, 0.25, 0.75, 0.0])

    forest = read_project(edited(edit)).require_trained()
    assert forest.feature[forest.roots[0]] == -1
    assert forest.fractions[forest.roots[0]].tolist() == [0.25, 0.75, 0]
    assert not forest.is_pure
    assert forest.roots[1] == 1


# Two splits and three leaves over 48 features and 3 classes:   2 → (7, 12),  7 → (14, 16).
TOPOLOGY = [48, 3, 0, 0, 7, 12, 5, 0, 2, 14, 16, 6, LEAF, 4, LEAF, 8, LEAF, 12]
PARAMETERS = [1, 10.0, 1, 20.0, 3, 1, 0, 0, 2, 0, 1, 0, 5, 0, 0, 1]


def with_tree(topology=TOPOLOGY, parameters=PARAMETERS):
    def edit(file):
        replace(file, f"{TREE}/topology", topology)
        replace(file, f"{TREE}/parameters", parameters)

    return edit


def changed(values, **at):
    return [at.get(f"i{i}", value) for i, value in enumerate(values)]


def test_small_tree_is_read_as_drawn(edited):
    forest = read_project(edited(with_tree())).require_trained()
    assert forest.feature[:5].tolist() == [5, 6, -1, -1, -1]
    assert forest.left[:2].tolist() == [1, 3]
    assert forest.right[:2].tolist() == [2, 4]
    assert forest.threshold[:2].tolist() == [10.0, 20.0]
    assert forest.fractions[2:5].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("topology", "parameters", "what"),
    [
        (changed(TOPOLOGY, i4=900), PARAMETERS, "child"),
        (changed(TOPOLOGY, i5=-7), PARAMETERS, "child"),
        (changed(TOPOLOGY, i4=0), PARAMETERS, "child"),
        (changed(TOPOLOGY, i9=2), PARAMETERS, "same node"),
        (changed(TOPOLOGY, i9=7), PARAMETERS, "same node"),
        (changed(TOPOLOGY, i5=7), PARAMETERS, "same node"),
        (changed(TOPOLOGY, i11=48), PARAMETERS, "feature"),
        (changed(TOPOLOGY, i11=-1), PARAMETERS, "feature"),
        (changed(TOPOLOGY, i13=13), PARAMETERS, "parameters"),
        (changed(TOPOLOGY, i3=-1), PARAMETERS, "parameters"),
        (changed(TOPOLOGY, i7=1), PARAMETERS, "kind"),
        (changed(TOPOLOGY, i16=0), PARAMETERS, "cut off"),
        (changed(TOPOLOGY, i0=47), PARAMETERS, "numbers of features"),
        (TOPOLOGY[:12], PARAMETERS, "child"),
        (TOPOLOGY[:3], PARAMETERS, "stored"),
        (TOPOLOGY, PARAMETERS[:-1], "parameters"),
        (TOPOLOGY, changed(PARAMETERS, i1=np.nan), "not a number"),
        (TOPOLOGY, changed(PARAMETERS, i5=0.5), "sum to 1"),
        (TOPOLOGY, changed(PARAMETERS, i5=np.inf), "sum to 1"),
    ],
)
def test_damaged_tree_is_refused_by_name(edited, topology, parameters, what):
    with pytest.raises(UnreadableProject, match=rf"Forest0000/Tree_0.*{what}"):
        read_project(edited(with_tree(topology, parameters)))


@pytest.mark.parametrize(
    "missing",
    [
        f"{TREE}/topology",
        f"{TREE}/parameters",
        TREE,
        f"{FORESTS}/Forest0001/_options",
        f"{FORESTS}/Forest0001/_options/tree_count_",
        f"{FORESTS}/Forest0001/_ext_param/column_count_",
    ],
)
def test_forest_with_a_piece_missing_is_refused(edited, missing):
    with pytest.raises(UnreadableProject, match=r"damaged at /PixelClassification/ClassifierForests/Forest000"):
        read_project(edited(lambda file: file.__delitem__(missing)))


@pytest.mark.parametrize("labels", [[1, 2], [2, 1, 3], [1, 1, 2], [0, 1, 2], [1, 2, 300]])
def test_known_labels_that_do_not_fit_are_refused(edited, labels):
    def edit(file):
        replace(file, f"{FORESTS}/known_labels", labels)

    with pytest.raises(UnreadableProject, match="known_labels"):
        read_project(edited(edit))


def test_forest_that_weighs_its_leaves_is_refused(edited):
    def edit(file):
        file[f"{FORESTS}/Forest0002/_options/predict_weighted_"][...] = 1

    with pytest.raises(UnsupportedProject, match="Forest0002"):
        read_project(edited(edit))
