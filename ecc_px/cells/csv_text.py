"""Rows of numbers as the text of a CSV file: to the byte what Python's own formatting gives, many times as fast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.compiling import kernel
from ecc_px.filters.lanes import fma

ROWS_AT_ONCE = 1 << 13
"""Rows that memory is taken for."""

WIDEST = 26
"""Characters of a number, at most, with what separates it from the next: a sign, 19 digits, a point, 4 decimals."""

BEYOND = 2.0**62
"""From here on, numbers are left to Python; no cell has one."""

WHOLE = -1
"""Stands for the number of decimals of a column of whole numbers."""

_COMMA, _POINT, _MINUS, _ZERO, _LINE_END = (np.uint8(ord(c)) for c in ",.-0\n")
_INFINITE, _UNKNOWN = (np.frombuffer(word, np.uint8) for word in (b"inf", b"nan"))


def csv_text(columns: Sequence[npt.NDArray[Any]], decimals: Sequence[int]) -> bytes:
    """Lines of numbers, commas between them.

    Parameters
    ----------
    columns : sequence of (n,) int64 or float64
    decimals : sequence of int
        Of each column: 0 to 4 digits after the point, rounded as Python rounds; of whole numbers it has no meaning.

    Examples
    --------
    >>> csv_text([np.array([1.5, -0.001]), np.array([7, 12])], [2, 0])
    b'1.50,7\\n-0.00,12\\n'
    """
    is_whole = [column.dtype.kind != "f" for column in columns]
    places = np.array([WHOLE if whole else n for whole, n in zip(is_whole, decimals, strict=True)], np.int64)
    # The bits of all numbers side by side: a kernel takes one type.
    bits = np.stack(
        [c.astype(np.int64 if w else np.float64).view(np.int64) for c, w in zip(columns, is_whole, strict=True)], axis=1
    )
    text = np.empty(ROWS_AT_ONCE * len(columns) * WIDEST, np.uint8)
    parts = []
    for start in range(0, len(bits), ROWS_AT_ONCE):
        rows = bits[start : start + ROWS_AT_ONCE]
        length = _write(rows, rows.view(np.float64), places, text)
        parts.append(text[:length].tobytes() if length >= 0 else _by_python(rows, places))
    return b"".join(parts)


def _by_python(bits: npt.NDArray[np.int64], places: npt.NDArray[np.int64]) -> bytes:
    """The same, for numbers of any size."""
    lines = []
    for whole, fraction in zip(bits.tolist(), bits.view(np.float64).tolist(), strict=True):
        fields = zip(whole, fraction, places.tolist(), strict=True)
        lines.append(",".join(str(w) if n == WHOLE else f"{f:.{n}f}" for w, f, n in fields) + "\n")
    return "".join(lines).encode("ascii")


@kernel()
def _write(wholes: Any, fractions: Any, places: Any, text: Any) -> int:
    """Length of the text of all rows; −1 if a number is too large."""
    at = 0
    for row in range(wholes.shape[0]):
        for column in range(wholes.shape[1]):
            if places[column] == WHOLE:
                value = wholes[row, column]
                if value < 0:
                    text[at] = _MINUS
                    at += 1
                at = _write_digits(text, at, np.uint64(-value if value < 0 else value))
            else:
                number = fractions[row, column]
                if abs(number) >= BEYOND and not np.isinf(number):
                    return -1
                at = _write_fraction(text, at, number, places[column])
            text[at] = _COMMA
            at += 1
        text[at - 1] = _LINE_END
    return at


@kernel()
def _write_digits(text: Any, at: int, value: Any) -> int:
    digits, rest = 1, value // np.uint64(10)
    while rest:
        digits += 1
        rest //= np.uint64(10)
    for place in range(at + digits - 1, at - 1, -1):
        text[place] = _ZERO + np.uint8(value % np.uint64(10))
        value //= np.uint64(10)
    return at + digits


@kernel()
def _write_fraction(text: Any, at: int, number: float, decimals: int) -> int:
    """A number with its decimals, correctly rounded; of two that are as near, the one with the even last digit."""
    if np.isnan(number):
        text[at : at + 3] = _UNKNOWN
        return at + 3
    if np.signbit(number):
        text[at] = _MINUS
        at += 1
        number = -number
    if np.isinf(number):
        text[at : at + 3] = _INFINITE
        return at + 3
    scale = 10**decimals
    whole = np.int64(number)
    rest = number - whole  # exact
    # rest · scale is `scaled` + `missing` without any error, and how far it is from a whole number is exact, too.
    scaled = rest * scale
    missing = fma(rest, float(scale), -scaled)
    below = np.int64(scaled)
    off = scaled - below
    if off > 0.5 or (off == 0.5 and (missing > 0 or (missing == 0 and _is_odd(below, whole, decimals)))):
        below += 1
    if below == scale:
        whole += 1
        below -= scale
    at = _write_digits(text, at, np.uint64(whole))
    if decimals:
        text[at] = _POINT
        for place in range(at + decimals, at, -1):
            text[place] = _ZERO + np.uint8(below % 10)
            below //= 10
        at += decimals + 1
    return at


@kernel()
def _is_odd(below: int, whole: int, decimals: int) -> bool:
    """Whether the last digit that is written is odd."""
    return (below if decimals else whole) % 2 == 1
