"""The innermost loops: weighted sums of rows of voxels, one rounding per term, in one fixed order.

A 1-D filter along any axis is a sum over shifted rows: along z and y the rows are other rows of the volume, along
x they are one row, shifted. All filters in this package are made of the sums below, so the arithmetic is decided
here and nowhere else:

* the taps are folded (one product for both neighbours at a distance) and added with fused multiply-add from the
  centre outwards, as fastfilters, ilastik's filter library, does on every processor of the last ten years;
* nothing is left to the compiler (no fast-math), so a voxel's value does not depend on where a block begins,
  on the vector width or on the machine.

Rows are named by the place of their first voxel in a 1-D array, not handed over as views: making a view costs numba
as much as filtering a hundred voxels. Places are unsigned, which spares the loops a check for negative indices and
so lets them vectorise.
"""

from __future__ import annotations

from typing import Any

from numba import types, uintp
from numba.extending import intrinsic

from ecc_px.compiling import kernel


@intrinsic
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """a·b + c with a single rounding, in float32 (an instruction where the processor has it, exact anywhere)."""
    signature = types.float32(types.float32, types.float32, types.float32)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return signature, generate


@intrinsic
def fma_double(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """`fma` in float64."""
    signature = types.float64(types.float64, types.float64, types.float64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return signature, generate


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

    The sum is begun, and gone on with, by up to four pairs of rows at a time, so that it stays in registers meanwhile.

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
    if radius >= 4:
        before = _four_places(place, c, -1, stride, offset)
        after = _four_places(place, c, 1, stride, offset)
        _begin_four_pairs(out, o, memory, centre, before, after, (taps[0], taps[1], taps[2], taps[3], taps[4]), n)
        j = 5
    elif radius >= 2:
        before2 = (_place(place, c - 1, stride, offset), _place(place, c - 2, stride, offset))
        after2 = (_place(place, c + 1, stride, offset), _place(place, c + 2, stride, offset))
        _begin_two_pairs(out, o, memory, centre, before2, after2, (taps[0], taps[1], taps[2]), n)
        j = 3
    else:
        _scale(out, o, memory, centre, taps[0], n)
        j = 1
    while j + 3 <= radius:
        before = _four_places(place, c - j + 1, -1, stride, offset)
        after = _four_places(place, c + j - 1, 1, stride, offset)
        _add_four_pairs(out, o, memory, before, after, (taps[j], taps[j + 1], taps[j + 2], taps[j + 3]), n)
        j += 4
    while j <= radius:
        before1, after1 = _place(place, c - j, stride, offset), _place(place, c + j, stride, offset)
        _add_pair(out, o, memory, before1, after1, taps[j], n)
        j += 1


@kernel(forceinline=True)
def _place(place: Any, i: int, stride: Any, offset: Any) -> Any:
    return uintp(place[i]) * stride + offset


@kernel(forceinline=True)
def _four_places(place: Any, centre: int, step: int, stride: Any, offset: Any) -> Any:
    """Where the four rows beside the centre begin, on one side of it."""
    return (
        _place(place, centre + step, stride, offset),
        _place(place, centre + 2 * step, stride, offset),
        _place(place, centre + 3 * step, stride, offset),
        _place(place, centre + 4 * step, stride, offset),
    )


@kernel()
def _scale(out: Any, o: Any, memory: Any, centre: Any, weight: Any, n: int) -> None:
    for i in range(n):
        x = uintp(i)
        out[o + x] = memory[centre + x] * weight


@kernel()
def _begin_two_pairs(out: Any, o: Any, memory: Any, c: Any, before: Any, after: Any, taps: Any, n: int) -> None:
    b1, b2 = before
    a1, a2 = after
    for i in range(n):
        x = uintp(i)
        out[o + x] = even(memory[b2 + x], memory[b1 + x], memory[c + x], memory[a1 + x], memory[a2 + x], taps)


@kernel()
def _begin_four_pairs(out: Any, o: Any, memory: Any, c: Any, before: Any, after: Any, taps: Any, n: int) -> None:
    b1, b2, b3, b4 = before
    a1, a2, a3, a4 = after
    w0, w1, w2, w3, w4 = taps
    for i in range(n):
        x = uintp(i)
        total = fma(memory[a1 + x] + memory[b1 + x], w1, memory[c + x] * w0)
        total = fma(memory[a2 + x] + memory[b2 + x], w2, total)
        total = fma(memory[a3 + x] + memory[b3 + x], w3, total)
        out[o + x] = fma(memory[a4 + x] + memory[b4 + x], w4, total)


@kernel()
def _add_pair(out: Any, o: Any, memory: Any, b: Any, a: Any, weight: Any, n: int) -> None:
    for i in range(n):
        x = uintp(i)
        out[o + x] = fma(memory[a + x] + memory[b + x], weight, out[o + x])


@kernel()
def _add_four_pairs(out: Any, o: Any, memory: Any, before: Any, after: Any, taps: Any, n: int) -> None:
    b1, b2, b3, b4 = before
    a1, a2, a3, a4 = after
    w1, w2, w3, w4 = taps
    for i in range(n):
        x = uintp(i)
        total = fma(memory[a1 + x] + memory[b1 + x], w1, out[o + x])
        total = fma(memory[a2 + x] + memory[b2 + x], w2, total)
        total = fma(memory[a3 + x] + memory[b3 + x], w3, total)
        out[o + x] = fma(memory[a4 + x] + memory[b4 + x], w4, total)


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
