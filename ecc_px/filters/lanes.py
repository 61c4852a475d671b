"""Sixteen voxels at once: a vector of float32 or float64 that kernels compute with as with one number.

Left to itself, the compiler vectorises a loop only after it has asked at run time whether the arrays overlap, and
finishes it voxel by voxel; for rows of a few hundred voxels that takes as long as the work. With explicit vectors there
is nothing to ask, and what is used for several voxels can stay in registers. A processor with narrower registers takes
a vector in two or four of them. Every operation is the scalar one for each lane, so the numbers are the same.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

LANES = 16

_INT32 = ir.IntType(32)


class Lanes(types.Type):
    """numba's type of a vector of `element`."""

    def __init__(self, element: types.Float) -> None:
        self.element = element
        super().__init__(name=f"{LANES} lanes of {element}")


single = Lanes(types.float32)
double = Lanes(types.float64)


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        super().__init__(manager, lanes, ir.VectorType(manager.lookup(lanes.element).get_value_type(), LANES))


def _operator(function: Any, instruction: str, operands: int = 2) -> None:
    """Let kernels write `a + b` for vectors."""

    @infer_global(function)
    class _Cases(ConcreteTemplate):
        cases = [signature(lanes, *[lanes] * operands) for lanes in (single, double)]  # noqa: RUF012

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return getattr(builder, instruction)(*arguments)

    lower_builtin(function, *[Lanes] * operands)(lower)


# numba has no vectors of its own: here is what its arithmetic becomes.
_operator(operator.add, "fadd")
_operator(operator.sub, "fsub")
_operator(operator.mul, "fmul")
_operator(operator.truediv, "fdiv")
_operator(operator.neg, "fneg", 1)


def _call(builder: Any, name: str, returned: Any, arguments: Any, kinds: str) -> Any:
    """Call a function of LLVM's that is overloaded by the types named in `kinds`."""
    function = ir.FunctionType(returned, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, function, f"llvm.{name}.{kinds}"), arguments)


def _kind(value: Any) -> str:
    vector = isinstance(value.type, ir.VectorType)
    element = value.type.element if vector else value.type
    return (f"v{value.type.count}" if vector else "") + ("f32" if isinstance(element, ir.FloatType) else "f64")


def _function(name: str, operands: int, meaning: str) -> Any:
    """A function of LLVM's on numbers or vectors of one type."""

    def build(kind: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return _call(builder, name, arguments[0].type, arguments, _kind(arguments[0]))

        return kind(*[kind] * operands), generate

    def of_one(typing_context: Any, a: Any) -> Any:
        return build(a)

    def of_two(typing_context: Any, a: Any, b: Any) -> Any:
        return build(a)

    def of_three(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
        return build(a)

    function: Callable[..., Any] = (of_one, of_two, of_three)[operands - 1]
    function.__doc__ = meaning
    return intrinsic(function)


fma = _function("fma", 3, "a·b + c with a single rounding: an instruction where the processor has it, exact anywhere.")
root = _function("sqrt", 1, "Square root.")
size = _function("fabs", 1, "Absolute value.")
signed = _function("copysign", 2, "The size of `a` with the sign of `b`.")


def _choice(comparison: str, meaning: str) -> Any:
    def choose(typing_context: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, b = arguments
            return builder.select(builder.fcmp_ordered(comparison, b, a), b, a)

        return a(a, b), generate

    choose.__doc__ = meaning
    return intrinsic(choose)


larger = _choice(">", "Python's max(a, b): b where it is larger, a also where one is NaN.")
smaller = _choice("<", "Python's min(a, b).")


@intrinsic
def spread(typing_context: Any, number: Any) -> Any:
    """A vector with the same number in all lanes."""
    lanes = {types.float32: single, types.float64: double}[number]

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = context.get_value_type(lanes)
        nothing = ir.Constant(vector, ir.Undefined)
        first = builder.insert_element(nothing, arguments[0], ir.Constant(_INT32, 0))
        return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_INT32, LANES), [0] * LANES))

    return lanes(number), generate


@intrinsic
def widened(typing_context: Any, value: Any) -> Any:
    """float32 → float64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fpext(arguments[0], context.get_value_type(double))

    return double(single), generate


@intrinsic
def narrowed(typing_context: Any, value: Any) -> Any:
    """float64 → float32, rounded."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fptrunc(arguments[0], context.get_value_type(single))

    return single(double), generate


@intrinsic
def load(typing_context: Any, array: Any, place: Any) -> Any:
    """The voxels of a 1-D float32 array from `place` on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loaded = builder.load(_pointer(context, builder, signature, arguments))
        loaded.align = 4
        return loaded

    return single(array, types.uintp), generate


@intrinsic
def load_some(typing_context: Any, array: Any, place: Any, count: Any) -> Any:
    """`load`, with 0 after the first `count` voxels, which are not looked at."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = context.get_value_type(single)
        pointer = _pointer(context, builder, signature, arguments)
        filled = ir.Constant(vector, [0.0] * LANES)
        return _call(
            builder,
            "masked.load",
            vector,
            [pointer, ir.Constant(_INT32, 4), _first(builder, arguments[2]), filled],
            f"v{LANES}f32.p0",
        )

    return single(array, types.uintp, types.int64), generate


@intrinsic
def store(typing_context: Any, array: Any, place: Any, value: Any) -> Any:
    """Write a vector to a 1-D float32 array from `place` on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        stored = builder.store(arguments[2], _pointer(context, builder, signature, arguments))
        stored.align = 4
        return context.get_dummy_value()

    return types.void(array, types.uintp, single), generate


@intrinsic
def store_some(typing_context: Any, array: Any, place: Any, value: Any, count: Any) -> Any:
    """`store` the first `count` voxels, and leave those after them alone."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature, arguments)
        masked = [arguments[2], pointer, ir.Constant(_INT32, 4), _first(builder, arguments[3])]
        _call(builder, "masked.store", ir.VoidType(), masked, f"v{LANES}f32.p0")
        return context.get_dummy_value()

    return types.void(array, types.uintp, single, types.int64), generate


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    return builder.bitcast(builder.gep(data, [arguments[1]]), context.get_value_type(single).as_pointer())


def _first(builder: Any, count: Any) -> Any:
    """A mask of the lanes before `count`."""
    of_counts = ir.VectorType(count.type, LANES)
    nothing = ir.Constant(of_counts, ir.Undefined)
    counts = builder.insert_element(nothing, count, ir.Constant(_INT32, 0))
    counts = builder.shuffle_vector(counts, nothing, ir.Constant(ir.VectorType(_INT32, LANES), [0] * LANES))
    return builder.icmp_signed("<", ir.Constant(of_counts, list(range(LANES))), counts)
