"""Mirroring is numpy's "reflect", also where a line is shorter than a filter."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ecc_px.filters.borders import extend, grow, mirror, reach


@given(st.integers(2, 30), st.integers(0, 29))
def test_mirror_is_reflection_without_repeating_the_border(extent, pad):
    pad = min(pad, extent - 1)  # numpy reflects once per call
    padded = np.pad(np.arange(extent), pad, mode="reflect")
    np.testing.assert_array_equal(mirror(np.arange(-pad, extent + pad), extent), padded)


def test_mirror_goes_on_beyond_one_reflection():
    assert mirror(np.arange(-5, 8), 3).tolist() == [1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]
    assert mirror(np.arange(-3, 4), 1).tolist() == [0] * 7


@given(st.data())
def test_reach_finds_every_neighbour_in_the_piece_that_was_read(data):
    extent = data.draw(st.integers(1, 40))
    start = data.draw(st.integers(0, extent - 1))
    output = slice(start, data.draw(st.integers(start + 1, extent)))
    radius = data.draw(st.integers(0, 50))
    source = grow(output, radius, extent)
    found = reach(output, source, extent, radius)
    line = np.arange(extent)
    expected = line[mirror(np.arange(output.start - radius, output.stop + radius), extent)]
    np.testing.assert_array_equal(line[source][found.place], expected)
    inner = found.place[found.first : found.last]
    assert (np.diff(inner) == 1).all()
    assert len(inner) == source.stop - source.start


@given(st.data())
def test_a_piece_with_its_margins_is_that_of_the_volume_mirrored(data):
    extent = data.draw(st.tuples(*[st.integers(1, 9)] * 3))
    margins = data.draw(st.tuples(*[st.integers(0, 12)] * 3))
    starts = [data.draw(st.integers(0, n - 1)) for n in extent]
    output = tuple(slice(a, data.draw(st.integers(a + 1, n))) for a, n in zip(starts, extent, strict=True))
    volume = np.random.default_rng(0).integers(0, 2**16, extent).astype(np.uint16)
    source = tuple(grow(o, m, n) for o, m, n in zip(output, margins, extent, strict=True))
    lines = [mirror(np.arange(o.start - m, o.stop + m), n) for o, m, n in zip(output, margins, extent, strict=True)]
    out = np.empty([len(line) for line in lines], np.float32)
    extend(volume[source], source, output, extent, margins, out)
    np.testing.assert_array_equal(out, volume[np.ix_(*lines)])
