"""Which points of two sets belong together, one to one, none farther apart than a limit.

All methods look at the same list of candidates, sorted by distance and then by row numbers. A tie is therefore
decided by the order of the rows alone, and the same tables give the same pairs anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching
from scipy.spatial import cKDTree

from ecc_px.errors import InvalidSetting

MOST_CANDIDATES = 30_000_000
"""More pairs within the limit than this are refused; they take about 2 GB."""

_BATCH = 100_000
"""Points of a slab."""

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of points, one of a and one of b.

    Parameters
    ----------
    a, b : (n,) int32
        Row numbers.
    distance : (n,) float64
    """

    a: npt.NDArray[np.int32]
    b: npt.NDArray[np.int32]
    distance: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.a)

    @classmethod
    def united(cls, parts: Sequence[Self]) -> Self:
        """The pairs of all parts, nearest first; equal distances in the order of a's rows, then b's."""
        nothing = np.zeros(0, np.int32)
        every = [cls(nothing, nothing, np.zeros(0)), *parts]
        together = cls(*(np.concatenate([getattr(p, f.name) for p in every]) for f in fields(cls)))
        return together.take(np.lexsort((together.b, together.a, together.distance)))

    def take(self, which: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Self:
        """The pairs at these indices, or where this is True."""
        return type(self)(self.a[which], self.b[which], self.distance[which])


def candidates(a: Points, b: Points, within: float) -> Pairs:
    """All pairs not farther apart than `within`, in the order of `Pairs.united`.

    Parameters
    ----------
    a, b : (n, 3) and (m, 3), in the unit of `within`

    Raises
    ------
    InvalidSetting
        There are more than `MOST_CANDIDATES`.
    """
    if not 0 < within < np.inf:
        raise InvalidSetting(f"--max-distance-um {within:g}: it must be above 0.")
    if not len(a) or not len(b):
        return Pairs.united([])
    # Slab by slab along the longest axis: trees of all points of millions would take more memory than the points.
    axis = int(np.ptp(a, axis=0).argmax())
    of_a, of_b = (np.argsort(points[:, axis], kind="stable").astype(np.int32) for points in (a, b))
    along_b = b[of_b, axis]
    parts: list[Pairs] = []
    count = 0
    for start in range(0, len(a), _BATCH):
        rows = of_a[start : start + _BATCH]
        # A little more than `within`, whatever the differences are rounded to.
        low, high = a[rows[0], axis] - within * (1 + 1e-9), a[rows[-1], axis] + within * (1 + 1e-9)
        there = of_b[np.searchsorted(along_b, low) : np.searchsorted(along_b, high, side="right")]
        if not len(there):
            continue
        part, tree = cKDTree(a[rows]), cKDTree(b[there])
        count += int(part.count_neighbors(tree, within))
        if count > MOST_CANDIDATES:
            raise InvalidSetting(
                f"--max-distance-um {within:g}: more than {MOST_CANDIDATES:,} pairs of cells are that near "
                f"({len(a):,} cells and {len(b):,}). Choose a distance below that between neighbouring cells."
            )
        near = part.sparse_distance_matrix(tree, within, output_type="ndarray")
        parts.append(Pairs(rows[near["i"]], there[near["j"]], near["v"]))
    del of_a, of_b, along_b
    return Pairs.united(parts)


def mutual_nearest(near: Pairs) -> Pairs:
    """Candidates of which each is the other's nearest.

    >>> near = Pairs(np.array([0, 1, 1]), np.array([0, 0, 1]), np.array([1.0, 2.0, 3.0]))
    >>> mutual_nearest(near).a.tolist()
    [0]
    """
    order = np.arange(len(near), dtype=np.int32)
    is_nearest = np.ones(len(near), bool)
    for rows in (near.a, near.b):
        earliest = np.zeros(rows.max(initial=-1) + 1, np.int32)
        earliest[rows[::-1]] = order[::-1]  # the last one written stays: the first in order
        is_nearest &= earliest[rows] == order
    return near.take(is_nearest)


def nearest_first(near: Pairs) -> Pairs:
    """The nearest candidate is a pair, then the nearest of those whose points are still free, and so on.

    >>> near = Pairs(np.array([0, 1, 1]), np.array([0, 0, 1]), np.array([1.0, 2.0, 3.0]))
    >>> nearest_first(near).b.tolist()
    [0, 1]
    """
    rounds = []
    a_taken, b_taken = (np.zeros(rows.max(initial=-1) + 1, bool) for rows in (near.a, near.b))
    while len(near):
        # Mutual nearest of those still free are exactly those that going through the list one by one would take.
        chosen = mutual_nearest(near)
        rounds.append(chosen)
        a_taken[chosen.a] = b_taken[chosen.b] = True
        near = near.take(~(a_taken[near.a] | b_taken[near.b]))
    return Pairs.united(rounds)


def assignment(near: Pairs, within: float) -> Pairs:
    """The one-to-one choice of candidates with the least sum of distances, where a point alone counts as `within`.

    No greedy choice can spoil a neighbour's; but two cells at the same place stay a pair even where parting them would
    make two pairs of cells that are far apart.
    """
    if not len(near):
        return near
    a_rows, a = np.unique(near.a, return_inverse=True)
    b_rows, b = np.unique(near.b, return_inverse=True)
    n, m = len(a_rows), len(b_rows)
    joined = coo_matrix((np.ones(len(near), bool), (a, b + n)), (n + m, n + m))
    _, component = connected_components(joined, directed=False)
    crowded = np.bincount(component[a])[component[a]] > 1
    chosen = [near.take(~crowded)]
    if crowded.any():
        chosen.append(_least_sum(near.take(crowded), within))
    return Pairs.united(chosen)


def _least_sum(near: Pairs, within: float) -> Pairs:
    """As a matching in which each point of a also has a partner of its own that stands for being alone."""
    a_rows, a = np.unique(near.a, return_inverse=True)
    b_rows, b = np.unique(near.b, return_inverse=True)
    n, m = len(a_rows), len(b_rows)
    # SciPy takes a weight of 0 for no edge; the same amount more on every edge changes no choice.
    weights = np.concatenate([near.distance, np.full(n, within)]) + within
    rows, columns = np.concatenate([a, np.arange(n)]), np.concatenate([b, m + np.arange(n)])
    graph = coo_matrix((weights, (rows, columns)), (n, m + n)).tocsr()
    left, right = min_weight_full_bipartite_matching(graph)
    taken = right < m
    pair_of = coo_matrix((np.arange(1, len(near) + 1), (a, b)), (n, m)).tocsr()
    which = np.asarray(pair_of[left[taken], right[taken]]).ravel() - 1
    return near.take(which)
