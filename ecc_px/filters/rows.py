"""The innermost loops: weighted sums of rows of voxels, one rounding per term, in one fixed order.

A 1-D filter along any axis is a sum over shifted rows: along z and y the rows are other rows of the volume, along
x they are shifted slices of one padded row. All filters in this package are made of the loops below, so the
arithmetic is decided here and nowhere else:

* the taps are folded (one product for both neighbours at a distance) and added with fused multiply-add from the
  centre outwards, as fastfilters, ilastik's filter library, does on every processor of the last ten years;
* nothing is left to the compiler (no fast-math), so a voxel's value does not depend on where a block begins,
  on the vector width or on the machine.

Rows are named by their number in a 2-D array (row, x), not handed over as views: making a view costs numba as much
as filtering a hundred voxels. Shifts along x are unsigned, which spares the loops a check for negative indices.
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


@kernel()
def scale_row(out: Any, o: int, rows: Any, centre: int, shift: Any, weight: Any, n: int) -> None:
    """out[o] = row · weight."""
    for i in range(n):
        x = uintp(i)
        out[o, x] = rows[centre, x + shift] * weight


@kernel()
def add_pair(
    out: Any, o: int, rows: Any, before: int, after: int, shift_before: Any, shift_after: Any, weight: Any, n: int
) -> None:
    """out[o] += (row after + row before) · weight."""
    for i in range(n):
        x = uintp(i)
        out[o, x] = fma(rows[after, x + shift_after] + rows[before, x + shift_before], weight, out[o, x])


@kernel()
def add_four_pairs(
    out: Any, o: int, rows: Any, before: Any, after: Any, shift_before: Any, shift_after: Any, taps: Any, n: int
) -> None:
    """`add_pair` four times, while the sum stays in a register."""
    b0, b1, b2, b3 = before
    a0, a1, a2, a3 = after
    sb0, sb1, sb2, sb3 = shift_before
    sa0, sa1, sa2, sa3 = shift_after
    w0, w1, w2, w3 = taps
    for i in range(n):
        x = uintp(i)
        total = fma(rows[a0, x + sa0] + rows[b0, x + sb0], w0, out[o, x])
        total = fma(rows[a1, x + sa1] + rows[b1, x + sb1], w1, total)
        total = fma(rows[a2, x + sa2] + rows[b2, x + sb2], w2, total)
        out[o, x] = fma(rows[a3, x + sa3] + rows[b3, x + sb3], w3, total)


@kernel()
def even_across(out: Any, o: int, rows: Any, picked: Any, taps: Any, n: int) -> None:
    """A symmetric filter of radius 2 over five rows: smoothing or second derivative."""
    before2, before1, centre, after1, after2 = picked
    k0, k1, k2 = taps[0], taps[1], taps[2]
    for i in range(n):
        x = uintp(i)
        total = fma(rows[after1, x] + rows[before1, x], k1, rows[centre, x] * k0)
        out[o, x] = fma(rows[after2, x] + rows[before2, x], k2, total)


@kernel()
def odd_across(out: Any, o: int, rows: Any, picked: Any, taps: Any, n: int) -> None:
    """An antisymmetric filter of radius 2 over five rows: first derivative."""
    before2, before1, _, after1, after2 = picked
    k1, k2 = taps[1], taps[2]
    for i in range(n):
        x = uintp(i)
        first = (rows[after1, x] - rows[before1, x]) * k1
        out[o, x] = fma(rows[after2, x] - rows[before2, x], k2, first)


@kernel()
def even_along(out: Any, o: int, padded: Any, row: int, taps: Any, n: int) -> None:
    """A symmetric filter of radius 2 along a row that has two more voxels on either side."""
    k0, k1, k2 = taps[0], taps[1], taps[2]
    for x in range(n):
        total = fma(padded[row, x + 3] + padded[row, x + 1], k1, padded[row, x + 2] * k0)
        out[o, x] = fma(padded[row, x + 4] + padded[row, x], k2, total)


@kernel()
def odd_along(out: Any, o: int, padded: Any, row: int, taps: Any, n: int) -> None:
    """An antisymmetric filter of radius 2 along a row that has two more voxels on either side."""
    k1, k2 = taps[1], taps[2]
    for x in range(n):
        first = (padded[row, x + 3] - padded[row, x + 1]) * k1
        out[o, x] = fma(padded[row, x + 4] - padded[row, x], k2, first)


@kernel()
def pad_row(padded: Any, j: int, rows: Any, row: int, reach: Any) -> None:
    """padded[j] = a row with its mirrored ends, as `reach` says."""
    for i in range(reach.first):
        padded[j, i] = rows[row, reach.place[i]]
    offset = uintp(reach.place[reach.first])
    first = uintp(reach.first)
    for i in range(reach.last - reach.first):
        x = uintp(i)
        padded[j, x + first] = rows[row, x + offset]
    for i in range(reach.last, reach.place.size):
        padded[j, i] = rows[row, reach.place[i]]
