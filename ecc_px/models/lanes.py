"""64 voxels in one machine word: which of them lie below a threshold.

Everything else in the votes is plain numba. This one step is not: written as a loop it makes the whole kernel half
as fast (and masks of one byte per voxel a sixth), because LLVM does not find the processor's "compare and collect
the bits" in it. Said as a comparison of vectors of 64 numbers, it does, on every processor that it knows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

WORD = 64
"""Voxels in a word."""


@intrinsic
def bits_below(typing_context: Any, values: Any, first: Any, threshold: Any) -> Any:
    """Bit i of the result says whether ``values[first + i] < threshold``; i runs over a word.

    Parameters
    ----------
    values : 1-D C-contiguous float32 array
    first : unsigned integer
    threshold : float32
    """
    signature = types.uint64(values, types.uintp, types.float32)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, start, limit = arguments
        vector = ir.VectorType(ir.FloatType(), WORD)
        start_pointer = builder.gep(context.make_array(signature.args[0])(context, builder, array).data, [start])
        row = builder.load(builder.bitcast(start_pointer, vector.as_pointer()))
        row.align = 4
        one = builder.insert_element(ir.Constant(vector, ir.Undefined), limit, ir.IntType(32)(0))
        limits = builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), WORD), [0] * WORD))
        return builder.bitcast(builder.fcmp_ordered("<", row, limits), ir.IntType(WORD))

    return signature, generate


def bits_below_plain(values: Any, first: int, threshold: float) -> int:
    """What `bits_below` computes, said plainly; the tests hold one against the other."""
    bits = np.uint64(0)
    for i in range(WORD):
        bits |= np.uint64(values[first + i] < threshold) << np.uint64(i)
    return int(bits)
