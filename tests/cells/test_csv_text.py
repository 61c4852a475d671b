"""Numbers are written as Python writes them, to the last digit."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ecc_px.cells.csv_text import csv_text

finite = st.floats(allow_nan=False, width=64)
near_a_tie = st.builds(lambda n, k: n / 2**k, st.integers(-(2**40), 2**40), st.integers(0, 20))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(finite | near_a_tie, st.integers(-(2**62), 2**62)), max_size=5), st.integers(0, 4))
@example([(0.125, 0), (0.375, 1), (2.5, 2), (-0.001, -3), (0.995, 4)], 2)
@example([(0.99999, 0), (2.0**53 + 2, 1), (2.0**70, 2), (float("inf"), 3), (float("nan"), 4)], 3)
def test_numbers_are_written_as_python_formats_them(rows, decimals):
    numbers, wholes = np.array([r[0] for r in rows], float), np.array([r[1] for r in rows], np.int64)
    expected = "".join(f"{whole},{number:.{decimals}f},{number:.1f}\n" for number, whole in rows)
    assert csv_text([wholes, numbers, numbers], [0, decimals, 1]) == expected.encode()


def test_a_table_longer_than_the_memory_taken_for_it_is_written_whole():
    numbers = np.arange(50_000) / 16
    assert csv_text([numbers, -numbers], [2, 3]).decode().splitlines() == [f"{n:.2f},{-n:.3f}" for n in numbers]
