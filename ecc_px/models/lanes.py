"""Many voxels in one instruction: which of them lie below a threshold, which way they go, and a count for each.

Everything else in the votes is plain numba. These steps are not: written as loops they make the whole kernel a half to
a sixth as fast, because LLVM does not find the processor's "compare and collect the bits" in them. Said as operations
on vectors of 64 numbers, it does, on every processor that it knows.
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

WORDS = 4
"""Words in a mask: the bits of a brick."""

RUN = 8
"""Values that are copied together."""


@intrinsic
def visit(
    typing_context: Any,
    values: Any,
    first: Any,
    threshold: Any,
    left: Any,
    right: Any,
    queue: Any,
    masks: Any,
    place: Any,
    tail: Any,
    leaf_tail: Any,
) -> Any:
    """Send the voxels of one mask to the left where they lie below a threshold, and to the right elsewhere.

    Each side's link and mask are put down at `leaf_tail` if the link is that of a leaf (negative), else at `tail`. They
    are written in any case, without a branch, and what no voxel follows is written over by the next.

    Parameters
    ----------
    values : 1-D C-contiguous float32 array
    first : unsigned integer
        Voxel i of the mask has ``values[first + i]``.
    threshold : float32
    left, right : int32
        Links.
    queue, masks : 1-D C-contiguous arrays of int32 and of uint64
        Links, and the mask of each: `WORDS` words.
    place, tail, leaf_tail : unsigned integers
        Of the mask in the queue, and where the queue's two parts end.

    Returns
    -------
    tail, leaf_tail : unsigned integers
    """
    signature = types.UniTuple(types.uintp, 2)(
        values,
        types.uintp,
        types.float32,
        types.int32,
        types.int32,
        queue,
        masks,
        types.uintp,
        types.uintp,
        types.uintp,
    )

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row, start, limit, left, right, links, words, place, tail, leaf_tail = arguments
        values_type, *_, links_type, words_type = signature.args[:7]

        def mask_at(slot: Any) -> Any:
            return _vector_at(context, builder, words_type, words, builder.mul(slot, slot.type(WORDS)), WORDS)

        below = ir.Constant(ir.VectorType(ir.IntType(WORD), WORDS), ir.Undefined)
        for number in range(WORDS):
            word_start = builder.add(start, start.type(number * WORD))
            bits = _bits_below(context, builder, values_type, row, word_start, limit)
            below = builder.insert_element(below, bits, ir.IntType(32)(number))
        members = builder.load(mask_at(place))
        members.align = 8
        none_of = ir.Constant(ir.IntType(WORD * WORDS), 0)
        for link, side in ((left, below), (right, builder.not_(below))):
            sent = builder.and_(members, side)
            is_leaf = builder.icmp_signed("<", link, link.type(0))
            slot = builder.select(is_leaf, leaf_tail, tail)
            builder.store(link, _vector_at(context, builder, links_type, links, slot, None))
            builder.store(sent, mask_at(slot)).align = 8
            is_any = builder.icmp_unsigned("!=", builder.bitcast(sent, none_of.type), none_of)
            any_to_leaf = builder.and_(is_any, is_leaf)
            leaf_tail = builder.add(leaf_tail, builder.zext(any_to_leaf, tail.type))
            tail = builder.add(tail, builder.zext(builder.xor(is_any, any_to_leaf), tail.type))
        return context.make_tuple(builder, signature.return_type, [tail, leaf_tail])

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
def lowest_bit(typing_context: Any, word: Any) -> Any:
    """Number of the first bit that is set in a word that is not 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), True))

    return types.int64(types.uint64), generate


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


def _bits_below(context: Any, builder: Any, array_type: Any, array: Any, first: Any, limit: Any) -> Any:
    """Bit i of the word says whether value ``first + i`` lies below the limit."""
    row = builder.load(_vector_at(context, builder, array_type, array, first, WORD))
    row.align = 4
    below = builder.fcmp_ordered("<", row, _in_every_lane(builder, limit, WORD))
    return builder.bitcast(below, ir.IntType(WORD))


def _vector_at(context: Any, builder: Any, array_type: Any, array: Any, first: Any, lanes: int | None) -> Any:
    """Pointer to `lanes` values of an array as one vector; to a single value for None."""
    start = builder.gep(context.make_array(array_type)(context, builder, array).data, [first])
    if lanes is None:
        return start
    return builder.bitcast(start, ir.VectorType(context.get_data_type(array_type.dtype), lanes).as_pointer())


def _in_every_lane(builder: Any, value: Any, lanes: int) -> Any:
    vector = ir.VectorType(value.type, lanes)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes))


def visit_plain(
    values: Any,
    first: int,
    threshold: float,
    left: int,
    right: int,
    queue: Any,
    masks: Any,
    place: int,
    tail: int,
    leaf_tail: int,
) -> tuple[int, int]:
    """What `visit` does, said plainly; the tests hold one against the other."""
    members = masks[place * WORDS : (place + 1) * WORDS].copy()
    below = np.packbits(values[first : first + WORDS * WORD] < threshold, bitorder="little").view(np.uint64)
    for link, sent in ((left, members & below), (right, members & ~below)):
        slot = leaf_tail if link < 0 else tail
        queue[slot] = link
        masks[slot * WORDS : (slot + 1) * WORDS] = sent
        if sent.any() and link < 0:
            leaf_tail += 1
        elif sent.any():
            tail += 1
    return tail, leaf_tail
