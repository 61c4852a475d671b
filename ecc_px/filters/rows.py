"""The innermost loops: weighted sums of rows of voxels, one rounding per term, in one fixed order.

A 1-D filter along any axis is a sum over shifted rows: along z and y the rows are other rows of the volume, along
x they are one row, shifted. All filters in this package are made of the sums below, so the arithmetic is decided
here and nowhere else:

* the taps are folded (one product for both neighbours at a distance) and added with fused multiply-add from the
  centre outwards, as fastfilters, ilastik's filter library, does on every processor of the last ten years;
* nothing is left to the compiler (no fast-math), so a voxel's value does not depend on where a block begins,
  on the vector width or on the machine.

Rows are named by the place of their first voxel in a 1-D array, not handed over as views: making a view costs numba
as much as filtering a hundred voxels. Places are unsigned, which spares a check for negative indices. `even` and `odd`
take numbers or vectors of `lanes`.
"""

from __future__ import annotations

from typing import Any

from numba import uintp

from ecc_px.compiling import kernel
from ecc_px.filters.lanes import LANES, fma, load, load_some, spread, store, store_some


@kernel(forceinline=True)
def even(before2: Any, before1: Any, centre: Any, after1: Any, after2: Any, taps: Any) -> Any:
    """One voxel of a symmetric filter of radius 2: smoothing or second derivative."""
    return fma(after2 + before2, taps[2], fma(after1 + before1, taps[1], centre * taps[0]))


@kernel(forceinline=True)
def odd(before2: Any, before1: Any, after1: Any, after2: Any, taps: Any) -> Any:
    """One voxel of an antisymmetric filter of radius 2: first derivative."""
    return fma(after2 - before2, taps[2], (after1 - before1) * taps[1])


@kernel()
def smooth_row(
    out: Any, o: Any, memory: Any, place: Any, start: Any, stride: Any, offset: Any, taps: Any, n: int
) -> None:
    """A row of a symmetric filter of any radius, from 2 · radius + 1 rows, of which the middle one is the centre.

    Parameters
    ----------
    out, memory : 1-D float32
    o : unsigned
        Place of the filtered row in `out`.
    place, start, stride, offset
        Row i of those to be added begins at ``place[start + i] * stride + offset`` in `memory`.
    taps : (radius + 1,) float32
    n : int
        Voxels in a row.
    """
    radius = taps.size - 1
    c = start + radius
    centre = _place(place, c, stride, offset)
    in_fours, in_lanes = n - n % (4 * LANES), n - n % LANES
    for i in range(0, in_fours, 4 * LANES):
        # Four at a time, because each sum waits for its own last term.
        x0 = uintp(i)
        x1, x2, x3 = x0 + uintp(LANES), x0 + uintp(2 * LANES), x0 + uintp(3 * LANES)
        w = spread(taps[0])
        total0, total1 = load(memory, centre + x0) * w, load(memory, centre + x1) * w
        total2, total3 = load(memory, centre + x2) * w, load(memory, centre + x3) * w
        for j in range(1, radius + 1):
            b, a = _place(place, c - j, stride, offset), _place(place, c + j, stride, offset)
            w = spread(taps[j])
            total0 = fma(load(memory, a + x0) + load(memory, b + x0), w, total0)
            total1 = fma(load(memory, a + x1) + load(memory, b + x1), w, total1)
            total2 = fma(load(memory, a + x2) + load(memory, b + x2), w, total2)
            total3 = fma(load(memory, a + x3) + load(memory, b + x3), w, total3)
        store(out, o + x0, total0)
        store(out, o + x1, total1)
        store(out, o + x2, total2)
        store(out, o + x3, total3)
    for i in range(in_fours, in_lanes, LANES):
        x = uintp(i)
        total = load(memory, centre + x) * spread(taps[0])
        for j in range(1, radius + 1):
            b, a = _place(place, c - j, stride, offset), _place(place, c + j, stride, offset)
            total = fma(load(memory, a + x) + load(memory, b + x), spread(taps[j]), total)
        store(out, o + x, total)
    if in_lanes < n:
        x, rest = uintp(in_lanes), n - in_lanes
        total = load_some(memory, centre + x, rest) * spread(taps[0])
        for j in range(1, radius + 1):
            b, a = _place(place, c - j, stride, offset), _place(place, c + j, stride, offset)
            total = fma(load_some(memory, a + x, rest) + load_some(memory, b + x, rest), spread(taps[j]), total)
        store_some(out, o + x, total, rest)


@kernel()
def smooth_rows(
    out: Any,
    o: Any,
    step: Any,
    count: int,
    memory: Any,
    place: Any,
    start: Any,
    stride: Any,
    offset: Any,
    taps: Any,
    n: int,
) -> None:
    """So many rows as `smooth_row` makes them, `step` apart in `out`; each begins one entry of `place` after the last.

    Four rows that follow each other share all but six of the rows that they are made from: each voxel is read once.
    """
    in_fours, in_lanes = count - count % 4, n - n % LANES
    radius = taps.size - 1
    for i in range(0, in_fours, 4):
        c = start + i + radius
        p0, p1 = _place(place, c, stride, offset), _place(place, c + 1, stride, offset)
        p2, p3 = _place(place, c + 2, stride, offset), _place(place, c + 3, stride, offset)
        to = o + uintp(i) * step
        for k in range(0, in_lanes, LANES):
            x = uintp(k)
            w = spread(taps[0])
            a0, a1, a2, a3 = load(memory, p0 + x), load(memory, p1 + x), load(memory, p2 + x), load(memory, p3 + x)
            b0, b1, b2, b3 = a0, a1, a2, a3
            total0, total1, total2, total3 = a0 * w, a1 * w, a2 * w, a3 * w
            for j in range(1, radius + 1):
                w = spread(taps[j])
                b0, b1, b2, b3 = load(memory, _place(place, c - j, stride, offset) + x), b0, b1, b2
                a0, a1, a2, a3 = a1, a2, a3, load(memory, _place(place, c + 3 + j, stride, offset) + x)
                total0, total1 = fma(a0 + b0, w, total0), fma(a1 + b1, w, total1)
                total2, total3 = fma(a2 + b2, w, total2), fma(a3 + b3, w, total3)
            store(out, to + x, total0)
            store(out, to + step + x, total1)
            store(out, to + uintp(2) * step + x, total2)
            store(out, to + uintp(3) * step + x, total3)
    for i in range(count):
        done = in_lanes if i < in_fours else 0
        if done < n:
            x = uintp(done)
            smooth_row(out, o + uintp(i) * step + x, memory, place, start + i, stride, offset + x, taps, n - done)


@kernel(forceinline=True)
def _place(place: Any, i: int, stride: Any, offset: Any) -> Any:
    return uintp(place[i]) * stride + offset


@kernel()
def pad_row(padded: Any, p: Any, memory: Any, row: Any, reach: Any, x0: int, n: int) -> None:
    """A piece of a row with its neighbours, mirrored at the volume's border as `reach` says.

    Parameters
    ----------
    padded, memory : 1-D float32
    p, row : unsigned
        Where the padded row and the row begin.
    reach : Reach
        Of the whole row.
    x0, n : int
        ``padded[p + i]`` becomes the neighbour `x0` + i of `reach`, for i < n.
    """
    first, last = max(reach.first - x0, 0), min(reach.last - x0, n)
    for i in range(min(first, n)):
        padded[p + uintp(i)] = memory[row + uintp(reach.place[x0 + i])]
    if first < last:
        to = p + uintp(first)
        start = row + uintp(reach.place[x0 + first])
        for i in range(last - first):
            x = uintp(i)
            padded[to + x] = memory[start + x]
    for i in range(max(last, 0), n):
        padded[p + uintp(i)] = memory[row + uintp(reach.place[x0 + i])]
