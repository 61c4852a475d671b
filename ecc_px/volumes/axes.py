"""What the dimensions of an image mean, where its file does not say."""

from __future__ import annotations

from dataclasses import replace

from ecc_px.volumes.volume import Layout

MAX_CHANNELS_LAST = 4
"""A three-dimensional image whose last extent is at most this is taken as a 2-D image with channels."""


def default_axes(shape: tuple[int, ...]) -> str | None:
    """How ilastik reads a dataset without axistags, by its number of dimensions; None where it can't."""
    if len(shape) == 3 and shape[-1] <= MAX_CHANNELS_LAST:
        return "yxc"
    return {2: "yx", 3: "zyx", 4: "zyxc", 5: "tzyxc"}.get(len(shape))


def reordered(layout: Layout, axes: str) -> Layout:
    """The same image with its axes stored in another order; an axis that `layout` lacks gets extent 1.

    An axis that `axes` lacks must have extent 1.
    """
    dropped = {axis for axis in layout.axes if axis not in axes and layout.extent(axis) > 1}
    if dropped:
        raise ValueError(f"axes {axes!r} leave out {dropped} of {layout.axes!r} {layout.stored_shape}")
    chunks = None
    if layout.chunks is not None:
        along = dict(zip(layout.axes, layout.chunks, strict=True))
        chunks = tuple(along.get(axis, 1) for axis in axes)
    return replace(layout, axes=axes, stored_shape=tuple(layout.extent(axis) for axis in axes), chunks=chunks)
