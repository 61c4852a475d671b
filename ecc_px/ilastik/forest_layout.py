"""One flat `Forest` → the random forests of an .ilp, in the arrays that vigra reads; forests.py is the way back."""

from __future__ import annotations

import math
from collections.abc import Iterable

import h5py
import numpy as np
import numpy.typing as npt

from ecc_px.ilastik.forests import LEAF, ROOT
from ecc_px.ilastik.storing import replace, store_text, store_texts
from ecc_px.models.forest import Forest

Tree = tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]
"""A tree's `topology` and `parameters`, as forests.py explains them."""

PICKLED_TYPE = "clazyflow.classifiers.parallelVigraRfLazyflowClassifier\nParallelVigraRfLazyflowClassifier\np0\n."

_FACTORY = """\
ccopy_reg
_reconstructor
p0
(clazyflow.classifiers.parallelVigraRfLazyflowClassifier
ParallelVigraRfLazyflowClassifierFactory
p1
c__builtin__
object
p2
Ntp3
Rp4
(dp5
VVERSION
p6
I2
sV_num_trees
p7
I{trees}
sV_label_proportion
p8
NsV_variable_importance_path
p9
NsV_variable_importance_enabled
p10
I00
sV_kwargs
p11
(dp12
sV_num_forests
p13
I{parts}
sb."""
"""What ilastik's pickle of its training settings looks like; it never unpickles it, but takes it apart by a pattern."""

_OPTIONS = {
    "min_split_node_size_": 1,
    "mtry_": 0,
    "mtry_func_": 0,
    "mtry_switch_": 6,  # the square root of the number of features
    "predict_weighted_": 0,
    "prepare_online_learning_": 0,
    "sample_with_replacement_": 1,
    "stratification_method_": 3,  # none
    "training_set_calc_switch_": 1,  # as many samples as there are rows
    "training_set_func_": 0,
    "training_set_proportion_": 1,
    "training_set_size_": 0,
}
"""How ilastik has vigra train; nothing of it matters to votes, except that leaves are not weighted."""

_INNER_SIZE, _LEAF_SIZE = 5, 2


def vigra_trees(forest: Forest) -> list[Tree]:
    """The trees in vigra's arrays.

    A `Forest` does not know how many samples ended in a leaf; each leaf gets 1, which vigra ignores since it is told
    not to weigh by it.
    """
    nodes, tree = _by_tree(forest)
    inner = forest.feature[nodes] >= 0
    topology_at, topology_starts = _addresses(np.where(inner, _INNER_SIZE, _LEAF_SIZE), tree)
    parameters_at, parameter_starts = _addresses(np.where(inner, 2, 1 + forest.n_classes), tree)
    address = np.zeros(len(forest.feature), np.int64)
    address[nodes] = topology_at - topology_starts[tree] + ROOT
    splits = nodes[inner]

    topology = np.zeros(topology_starts[-1], np.int32)
    topology[topology_at[~inner]] = LEAF
    topology[topology_at + 1] = parameters_at - parameter_starts[tree]
    topology[topology_at[inner] + 2] = address[forest.left[splits]]
    topology[topology_at[inner] + 3] = address[forest.right[splits]]
    topology[topology_at[inner] + 4] = forest.feature[splits]

    parameters = np.ones(parameter_starts[-1])
    parameters[parameters_at[inner] + 1] = forest.threshold[splits]
    parameters[parameters_at[~inner, np.newaxis] + 1 + np.arange(forest.n_classes)] = forest.fractions[nodes[~inner]]

    head = np.array([forest.n_features, forest.n_classes], np.int32)
    return [
        (np.concatenate([head, own_topology]), own_parameters)
        for own_topology, own_parameters in zip(
            np.split(topology, topology_starts[1:-1]), np.split(parameters, parameter_starts[1:-1]), strict=True
        )
    ]


def _by_tree(forest: Forest) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """All nodes that a voxel can reach, tree after tree, each with its root first; and the tree of each."""
    tree_of = np.full(len(forest.feature), -1)
    level, tree = forest.roots.astype(np.int64), np.arange(forest.n_trees)
    while level.size:
        tree_of[level] = tree
        inner = forest.feature[level] >= 0
        splits, tree = level[inner], tree[inner]
        level, tree = np.concatenate([forest.left[splits], forest.right[splits]]), np.concatenate([tree, tree])
    reached = np.flatnonzero(tree_of >= 0)
    is_root = np.isin(reached, forest.roots)
    nodes = reached[np.lexsort((reached, ~is_root, tree_of[reached]))]
    return nodes, tree_of[nodes]


def _addresses(
    sizes: npt.NDArray[np.int64], tree: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where each node begins in the arrays of all trees end to end; and where each tree does, and the last ends."""
    ends = np.cumsum(sizes)
    lasts = np.flatnonzero(np.diff(tree, append=tree[-1] + 1))
    return ends - sizes, np.concatenate([[0], ends[lasts]])


def store_forests(training: h5py.Group, forest: Forest, feature_names: Iterable[str]) -> None:
    """Store a forest in the group of ilastik's Pixel Classification, in the sub-forests that `part_sizes` says."""
    drop_forests(training)
    group = training.create_group("ClassifierForests")
    trees = iter(vigra_trees(forest))
    for number, size in enumerate(forest.part_sizes):
        _store_part(group.create_group(f"Forest{number:04d}"), [next(trees) for _ in range(size)], forest)
    group["known_labels"] = forest.labels.astype(np.uint32)
    store_texts(group, "feature_names", list(feature_names))
    store_text(group, "pickled_type", PICKLED_TYPE)
    store_factory(training, trees=forest.n_trees, parts=len(forest.part_sizes))


def drop_forests(training: h5py.Group) -> None:
    """Leave the project untrained; ilastik then trains it by itself when it is asked to predict."""
    if "ClassifierForests" in training:
        del training["ClassifierForests"]


def _store_part(group: h5py.Group, trees: list[Tree], forest: Forest) -> None:
    group.attrs["vigra_random_forest_version"] = np.array([0.1])
    learned = {
        "actual_msample_": 0,  # a Forest does not know on how many voxels it was trained
        "actual_mtry_": math.floor(math.sqrt(forest.n_features) + 0.5),
        "class_count_": forest.n_classes,
        "column_count_": forest.n_features,
        "is_weighted_": 1,
        "precision_": 0,
        "problem_type_": 1,
        "response_size_": 1,
        "row_count_": 0,
        "used_": 1,
    }
    _store_numbers(group.create_group("_options"), _OPTIONS | {"tree_count_": len(trees)})
    _store_numbers(group.create_group("_ext_param"), learned)
    group["_ext_param/class_weights_"] = np.ones(forest.n_classes)
    group["_ext_param/labels"] = forest.labels.astype(np.uint32)
    digits = len(str(len(trees) - 1))
    for number, (topology, parameters) in enumerate(trees):
        tree = group.create_group(f"Tree_{number:0{digits}d}")
        tree["topology"] = topology
        tree["parameters"] = parameters


def _store_numbers(group: h5py.Group, numbers: dict[str, int]) -> None:
    for name, number in numbers.items():
        group[name] = np.array([number], np.float64)


def store_factory(training: h5py.Group, *, trees: int, parts: int) -> None:
    """With how many trees, in how many sub-forests, ilastik is to train."""
    replace(training, "ClassifierFactory", _FACTORY.format(trees=trees, parts=parts).encode())
