"""64 voxels in one machine word: which of them lie below a threshold, and a count for each.

Everything else in the votes is plain numba. These steps are not: written as a loop the first makes the whole kernel
half as fast (and masks of one byte per voxel a sixth), because LLVM does not find the processor's "compare and
collect the bits" in it. Said as a comparison of vectors of 64 numbers, it does, on every processor that it knows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

WORD = 64
"""Voxels in a word."""

RUN = 8
"""Values that are copied together."""


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
        row = builder.load(_vector_at(context, builder, signature.args[0], array, start, WORD))
        row.align = 4
        below = builder.fcmp_ordered("<", row, _in_every_lane(builder, limit, WORD))
        return builder.bitcast(below, ir.IntType(WORD))

    return signature, generate


@intrinsic
def bits_from(typing_context: Any, counts: Any, first: Any, least: Any) -> Any:
    """Bit i of the result says whether ``counts[first + i] >= least``; i runs over a word.

    Parameters
    ----------
    counts : 1-D C-contiguous array of unsigned integers
    first : unsigned integer
    least : of the dtype of `counts`
    """
    signature = types.uint64(counts, types.uintp, counts.dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, start, limit = arguments
        lanes = builder.load(_vector_at(context, builder, signature.args[0], array, start, WORD))
        lanes.align = 1
        enough = builder.icmp_unsigned(">=", lanes, _in_every_lane(builder, limit, WORD))
        return builder.bitcast(enough, ir.IntType(WORD))

    return signature, generate


@intrinsic
def copy_run(typing_context: Any, out: Any, to: Any, values: Any, first: Any) -> Any:
    """``out[to : to + RUN] = values[first : first + RUN]``.

    As a loop, it would be asked each time whether the two overlap.

    Parameters
    ----------
    out, values : 1-D C-contiguous arrays of one dtype
    to, first : unsigned integers
    """
    signature = types.void(out, types.uintp, values, types.uintp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        out, to, values, first = arguments
        out_pointer = _vector_at(context, builder, signature.args[0], out, to, RUN)
        run = builder.load(_vector_at(context, builder, signature.args[2], values, first, RUN))
        run.align = 1
        builder.store(run, out_pointer).align = 1
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def prefetch(typing_context: Any, values: Any, index: Any) -> Any:
    """Ask the processor to fetch ``values[index]`` and its neighbours; goes on without waiting for them.

    Parameters
    ----------
    values : 1-D C-contiguous array
    index : unsigned integer
    """
    signature = types.void(values, types.uintp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, place = arguments
        number, byte = ir.IntType(32), ir.IntType(8)
        pointer = _vector_at(context, builder, signature.args[0], array, place, 1)
        kind = ir.FunctionType(ir.VoidType(), [byte.as_pointer(), number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        for_reading, into_the_second_level, as_data = (ir.Constant(number, n) for n in (0, 2, 1))
        pointer = builder.bitcast(pointer, byte.as_pointer())
        builder.call(function, [pointer, for_reading, into_the_second_level, as_data])
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def add_where(typing_context: Any, counts: Any, first: Any, bits: Any, weight: Any) -> Any:
    """Add `weight` to ``counts[first + i]`` for every bit i of a word that is set.

    Parameters
    ----------
    counts : 1-D C-contiguous array of unsigned integers
    first : unsigned integer
    bits : uint64
    weight : of the dtype of `counts`
    """
    signature = types.void(counts, types.uintp, types.uint64, counts.dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, start, word, amount = arguments
        pointer = _vector_at(context, builder, signature.args[0], array, start, WORD)
        lanes = builder.load(pointer)
        lanes.align = 1
        chosen = builder.bitcast(word, ir.VectorType(ir.IntType(1), WORD))
        nothing = ir.Constant(lanes.type, [0] * WORD)
        added = builder.select(chosen, _in_every_lane(builder, amount, WORD), nothing)
        builder.store(builder.add(lanes, added), pointer).align = 1
        return context.get_dummy_value()

    return signature, generate


def _vector_at(context: Any, builder: Any, array_type: Any, array: Any, first: Any, lanes: int) -> Any:
    """Pointer to `lanes` values of an array as one vector."""
    start = builder.gep(context.make_array(array_type)(context, builder, array).data, [first])
    return builder.bitcast(start, ir.VectorType(context.get_data_type(array_type.dtype), lanes).as_pointer())


def _in_every_lane(builder: Any, value: Any, lanes: int) -> Any:
    vector = ir.VectorType(value.type, lanes)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes))


def bits_below_plain(values: Any, first: int, threshold: float) -> int:
    """What `bits_below` computes, said plainly; the tests hold one against the other."""
    bits = np.uint64(0)
    for i in range(WORD):
        bits |= np.uint64(values[first + i] < threshold) << np.uint64(i)
    return int(bits)
