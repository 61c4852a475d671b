"""The innermost loops: weighted sums of rows of voxels, one rounding per term, in one fixed order.

A 1-D filter along any axis is a sum over shifted rows: along z and y the rows are other rows of the volume, along
x they are shifted slices of one padded row. All filters in this package are made of the loops below, so the
arithmetic is decided here and nowhere else:

* the taps are folded (one product for both neighbours at a distance) and added with fused multiply-add from the
  centre outwards, as fastfilters, ilastik's filter library, does on every processor of the last ten years;
* nothing is left to the compiler (no fast-math), so a voxel's value does not depend on where a block begins,
  on the vector width or on the machine.
"""

from __future__ import annotations

from typing import Any

from numba import njit, types
from numba.extending import intrinsic

COMPILE: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}
"""How every kernel of this package is compiled: cached on disk, without the GIL, strict IEEE arithmetic."""


@intrinsic
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """a·b + c with a single rounding, in float32 (an instruction where the processor has it, exact anywhere)."""
    signature = types.float32(types.float32, types.float32, types.float32)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return signature, generate


@njit(**COMPILE)
def scale_row(out: Any, centre: Any, weight: Any) -> None:
    """out = centre · weight."""
    for x in range(out.size):
        out[x] = centre[x] * weight


@njit(**COMPILE)
def add_pair(out: Any, before: Any, after: Any, weight: Any) -> None:
    """out += (after + before) · weight."""
    for x in range(out.size):
        out[x] = fma(after[x] + before[x], weight, out[x])


@njit(**COMPILE)
def add_four_pairs(
    out: Any, b0: Any, a0: Any, b1: Any, a1: Any, b2: Any, a2: Any, b3: Any, a3: Any, w0: Any, w1: Any, w2: Any, w3: Any
) -> None:
    """`add_pair` four times, while the sum stays in a register."""
    for x in range(out.size):
        total = fma(a0[x] + b0[x], w0, out[x])
        total = fma(a1[x] + b1[x], w1, total)
        total = fma(a2[x] + b2[x], w2, total)
        out[x] = fma(a3[x] + b3[x], w3, total)


@njit(**COMPILE)
def even_row(out: Any, before2: Any, before1: Any, centre: Any, after1: Any, after2: Any, taps: Any) -> None:
    """A symmetric filter of radius 2: smoothing or second derivative."""
    k0, k1, k2 = taps[0], taps[1], taps[2]
    for x in range(out.size):
        total = fma(after1[x] + before1[x], k1, centre[x] * k0)
        out[x] = fma(after2[x] + before2[x], k2, total)


@njit(**COMPILE)
def odd_row(out: Any, before2: Any, before1: Any, after1: Any, after2: Any, taps: Any) -> None:
    """An antisymmetric filter of radius 2: first derivative."""
    k1, k2 = taps[1], taps[2]
    for x in range(out.size):
        out[x] = fma(after2[x] - before2[x], k2, (after1[x] - before1[x]) * k1)


@njit(**COMPILE)
def pad_row(padded: Any, row: Any, reach: Any) -> None:
    """padded[i] = row[reach.place[i]]: a row with its mirrored ends."""
    for i in range(reach.first):
        padded[i] = row[reach.place[i]]
    offset = reach.place[reach.first]
    inner = row[offset : offset + reach.last - reach.first]
    target = padded[reach.first : reach.last]
    for i in range(target.size):
        target[i] = inner[i]
    for i in range(reach.last, padded.size):
        padded[i] = row[reach.place[i]]
