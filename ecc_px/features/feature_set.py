"""A set of features: which filters at which scales, in which order, with which halo."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.errors import InvalidSetting, VolumeTooThin
from ecc_px.features.ilastik import (
    EIGENVALUE_FILTERS,
    FILTER_NAMES,
    LEAST_SCALE,
    Flavour,
    derivative_scale,
    least_extent,
    presmoothing_taps,
    structure_tensor_scales,
)
from ecc_px.filters.borders import extend, grow
from ecc_px.filters.derivatives import RADIUS, Channels
from ecc_px.filters.scratch import scratch
from ecc_px.filters.separable import smooth
from ecc_px.filters.structure_tensor import REACH as STRUCTURE_TENSOR_REACH
from ecc_px.filters.structure_tensor import structure_tensor_eigenvalues
from ecc_px.filters.sweep import filter_scale, smooth_along_x, whole_vectors
from ecc_px.volumes.blocks import Block, Region, Shape, shape_of, whole

STRUCTURE_TENSOR = "StructureTensorEigenvalues"

STRIP_ROWS = 16
FLAT_STRIP_ROWS = 64
"""Rows of a strip, as many as the filters sweep and the votes box together: 16 columns of 64 planes have 16 MB."""

_FEW_VOXELS = 8
"""An image of so many voxels is computed as it is, also if it is constant."""


@dataclass(frozen=True)
class Feature:
    """One filter at one scale (voxels); `in_2d` works plane by plane, None does so where the volume is one plane."""

    filter: str
    scale: float
    in_2d: bool | None = None

    def __post_init__(self) -> None:
        if self.filter not in FILTER_NAMES:
            raise InvalidSetting(f"There is no feature {self.filter!r}; choose from {', '.join(FILTER_NAMES)}.")
        if not LEAST_SCALE <= self.scale < float("inf"):
            raise InvalidSetting(
                f"{self.filter}: a scale is a number of voxels from {LEAST_SCALE:g} on, not {self.scale:g}: "
                "below it a Gaussian has no neighbours to weigh."
            )

    def is_2d(self, flat: bool) -> bool:
        return flat or bool(self.in_2d)

    def eigenvalues(self, flat: bool) -> int:
        """Features per image channel."""
        if self.filter not in EIGENVALUE_FILTERS:
            return 1
        return 2 if self.is_2d(flat) else 3


@dataclass(frozen=True)
class FeatureSet:
    """Features in the order of a classifier's columns.

    The columns follow the order of `features`; within one, the image's channels; within one, the eigenvalues,
    largest first. `flat` says that the volume has a single z plane: then everything is 2-D.
    """

    features: tuple[Feature, ...]
    flavour: Flavour = "ilastik"

    def __post_init__(self) -> None:
        twice = [feature for feature in self.features if self.features.count(feature) > 1]
        if twice:
            raise InvalidSetting(f"{twice[0].filter} at scale {twice[0].scale:g} is selected twice: once is enough.")

    @classmethod
    def from_selection(
        cls,
        filters: Sequence[str],
        scales: Sequence[float],
        selected: npt.NDArray[np.bool_],
        in_2d: Sequence[bool] | None = None,
        flavour: Flavour = "ilastik",
    ) -> FeatureSet:
        """A project's selection matrix, (filters, scales): filter by filter, scale by scale."""
        by_scale: Sequence[bool | None] = list(in_2d) if in_2d else [None] * len(scales)
        return cls(
            tuple(
                Feature(name, float(scale), by_scale[j])
                for i, name in enumerate(filters)
                for j, scale in enumerate(scales)
                if selected[i, j]
            ),
            flavour,
        )

    def count(self, image_channels: int = 1, *, flat: bool = False) -> int:
        """Columns for an image of so many channels."""
        return image_channels * sum(feature.eigenvalues(flat) for feature in self.features)

    def names(self, image_channels: int = 1, *, flat: bool = False) -> list[str]:
        """Columns' names as ilastik writes them, e.g. "Hessian of Gaussian Eigenvalues (σ=1.6) [0]"."""
        names = []
        for feature in self.features:
            name = f"{FILTER_NAMES[feature.filter]} (σ={feature.scale})"
            if feature.is_2d(flat):
                name += " in 2D"
            columns = image_channels * feature.eigenvalues(flat)
            names += [name] if columns == 1 else [f"{name} [{k}]" for k in range(columns)]
        return names

    def halo(self, *, flat: bool = False) -> Shape:
        """Voxels around a block (z, y, x) that its features depend on."""
        across = max((step.reach for step in self._steps if not step.is_2d(flat)), default=0)
        within = max((step.reach for step in self._steps), default=0)
        return across, within, within

    def check_extent(self, shape: Shape, what: str = "The volume") -> None:
        """Refuse a volume, called `what`, that is thinner than ilastik allows, by name of the axis and the scale."""
        flat = shape[0] == 1
        for feature in self.features:
            need = least_extent(feature.scale)
            for axis, extent in zip("zyx", shape, strict=True):
                if extent < need and not (axis == "z" and feature.is_2d(flat)):
                    raise VolumeTooThin(
                        f"{what} has {extent} voxels along {axis}, but "
                        f"{FILTER_NAMES[feature.filter]} at scale {feature.scale:g} needs {need}: "
                        "use a larger piece of the volume, or a classifier without this scale."
                    )

    def compute(
        self,
        image: npt.NDArray[Any],
        block: Block | None = None,
        shape: Shape | None = None,
        out: npt.NDArray[np.float32] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Features of one block of a volume, or of an image that is all there.

        Parameters
        ----------
        image : (c, z, y, x), any real dtype
            The voxels `block.outer`, which must reach `halo` beyond the core wherever the volume does.
        block : Block, optional
            Default: the image is the whole volume.
        shape : (z, y, x), optional
            Of the whole volume.
        out : (columns, z, y, x) float32, optional
            To be filled and returned.

        Returns
        -------
        (columns, z, y, x) float32, the voxels `block.core`. Voxels beyond the volume's border are mirrored. A
        block's features are bit for bit those of the whole volume.

        Notes
        -----
        Where every channel of `image` is constant, every voxel has the same features, because the same sums are made
        at each: they are computed once. Without `out`, the result is then a read-only view of one voxel.
        """
        extent = image.shape[1:] if shape is None else shape
        source, output = (whole(extent), whole(extent)) if block is None else (block.outer, block.core)
        flat = extent[0] == 1
        columns = self.count(len(image), flat=flat)
        if image[0].size > _FEW_VOXELS and is_constant(image):
            few = np.broadcast_to(image[:, :1, :1, :1], (len(image), 1 if flat else 2, 2, 2))
            voxel = self.compute(few)[:, :1, :1, :1]
            if out is None:
                return np.broadcast_to(voxel, (columns, *shape_of(output)))
            out[:] = voxel
            return out
        if out is None:
            out = np.empty((columns, *shape_of(output)), np.float32)
        for channel, channel_image in enumerate(image):
            extended = self._extended(channel_image, source, output, extent)
            as_float = channel_image.astype(np.float32) if self._has_structure_tensor else None
            places = self._places(channel, len(image), flat)
            for step in self._steps:
                if step.has_derivatives:
                    along_x = step.smooth_along_x(extended, shape_of(output), flat, "smoothed along x")
                    step.filter(along_x, places, flat, out)
                if as_float is not None and step.has_structure_tensor:
                    step.filter_structure(as_float, source, output, extent, places, out)
        return out

    def strips(
        self, image: npt.NDArray[Any], block: Block, shape: Shape
    ) -> Iterator[tuple[slice, npt.NDArray[np.float32]]]:
        """Features of a block, some rows of all its planes after the other: for whoever needs them once, from cache.

        Parameters
        ----------
        image, block, shape
            As in `compute`.

        Yields
        ------
        rows : slice
            Along y, in the block's core.
        features : (columns, z, rows, x) float32
            What `compute` gives there; valid until the next strip is asked for.

        Notes
        -----
        A constant image, or a set with a structure tensor, which has no cheap strips, is one strip.
        """
        depth, height, width = shape_of(block.core)
        flat = shape[0] == 1
        if is_constant(image) or self._has_structure_tensor:
            yield slice(0, height), self.compute(image, block, shape)
            return
        sources = []
        for channel, channel_image in enumerate(image):
            extended = self._extended(channel_image, block.outer, block.core, shape)
            places = self._places(channel, len(image), flat)
            for number, step in enumerate(self._steps):
                name = f"smoothed along x, channel {channel}, step {number}"
                sources.append((step, places, step.smooth_along_x(extended, (depth, height, width), flat, name)))
        for top in range(0, height, rows := FLAT_STRIP_ROWS if flat else STRIP_ROWS):
            part = slice(top, min(top + rows, height))
            out = scratch("strip", self.count(len(image), flat=flat), depth, part.stop - part.start, width)
            for step, places, along_x in sources:
                step.filter(along_x[:, part.start :], places, flat, out)
            yield part, out

    def _extended(
        self, image: npt.NDArray[Any], source: Region, output: Region, extent: Shape
    ) -> npt.NDArray[np.float32]:
        """One channel as float32, with everything that its features depend on, also beyond the volume's border."""
        z, y, x = self.halo(flat=extent[0] == 1)
        depth, height, width = shape_of(output)
        extended = scratch("image", depth + 2 * z, height + 2 * y, width + 2 * x)
        extend(image, source, output, extent, (z, y, x), extended)
        return extended

    @property
    def _has_structure_tensor(self) -> bool:
        return any(step.has_structure_tensor for step in self._steps)

    @cached_property
    def _steps(self) -> tuple[_ScaleStep, ...]:
        scales = dict.fromkeys((feature.scale, feature.in_2d) for feature in self.features)
        return tuple(
            _ScaleStep(
                scale,
                in_2d,
                tuple(f for f in self.features if (f.scale, f.in_2d) == (scale, in_2d)),
                self.flavour,
            )
            for scale, in_2d in scales
        )

    def _places(self, channel: int, image_channels: int, flat: bool) -> dict[Feature, int]:
        """First column of each feature for one channel of the image."""
        places = {}
        column = 0
        for feature in self.features:
            places[feature] = column + channel * feature.eigenvalues(flat)
            column += image_channels * feature.eigenvalues(flat)
        return places


def is_constant(image: npt.NDArray[Any]) -> bool:
    """Whether each channel of (c, z, y, x) has one value only; NaN is none."""
    first = image[:, :1, :1, :1]
    # Nearly every image differs along its first row already.
    return bool((image[:, :1, :1] == first).all() and (image == first).all())


@dataclass(frozen=True)
class _ScaleStep:
    """All features of one scale: they share the first smoothing."""

    scale: float
    in_2d: bool | None
    features: tuple[Feature, ...]
    flavour: Flavour

    @cached_property
    def taps(self) -> npt.NDArray[np.float32]:
        return presmoothing_taps(self.scale, self.flavour)

    @property
    def has_structure_tensor(self) -> bool:
        return any(feature.filter == STRUCTURE_TENSOR for feature in self.features)

    @property
    def has_derivatives(self) -> bool:
        return any(feature.filter != STRUCTURE_TENSOR for feature in self.features)

    @property
    def filter_reach(self) -> int:
        return STRUCTURE_TENSOR_REACH if self.has_structure_tensor else RADIUS

    @property
    def reach(self) -> int:
        return len(self.taps) - 1 + self.filter_reach

    def is_2d(self, flat: bool) -> bool:
        return flat or bool(self.in_2d)

    def smooth_along_x(
        self, image: npt.NDArray[np.float32], output: Shape, flat: bool, name: str
    ) -> npt.NDArray[np.float32]:
        """The first smoothing of one channel, as far as `filter` expects it, in the scratch array `name`.

        `image` reaches beyond an output of that shape, by as much on either side.
        """
        radius = len(self.taps) - 1
        reach = radius + RADIUS
        depth, height, width = output
        planes, rows = depth if self.is_2d(flat) else depth + 2 * reach, height + 2 * reach
        z, y, x = ((n - part) // 2 for n, part in zip(image.shape, (planes, rows, width + 2 * reach), strict=True))
        smoothed = scratch(name, planes, rows, whole_vectors(width + 2 * RADIUS))
        smooth_along_x(image[z : z + planes, y : y + rows, x : x + width + 2 * reach], self.taps, smoothed)
        return smoothed

    def filter(
        self, along_x: npt.NDArray[np.float32], places: dict[Feature, int], flat: bool, out: npt.NDArray[np.float32]
    ) -> None:
        """Write this scale's features of one channel to their columns of `out`, but for the structure tensor's."""
        column = {feature.filter: places[feature] for feature in self.features}
        channels = Channels(
            smoothing=column.get("GaussianSmoothing", -1),
            laplacian=column.get("LaplacianOfGaussian", -1),
            gradient_magnitude=column.get("GaussianGradientMagnitude", -1),
            difference=column.get("DifferenceOfGaussians", -1),
            hessian=column.get("HessianOfGaussianEigenvalues", -1),
        )
        scale = derivative_scale(self.scale, self.flavour)
        filter_scale(along_x, self.taps, scale, channels, out, in_2d=self.is_2d(flat))

    def filter_structure(
        self,
        image: npt.NDArray[np.float32],
        source: Region,
        output: Region,
        extent: Shape,
        places: dict[Feature, int],
        out: npt.NDArray[np.float32],
    ) -> None:
        """Write the structure tensor's eigenvalues to their columns of `out`."""
        in_2d = self.is_2d(extent[0] == 1)
        reaches = (0 if in_2d else STRUCTURE_TENSOR_REACH, STRUCTURE_TENSOR_REACH, STRUCTURE_TENSOR_REACH)
        z, y, x = (grow(o, r, n) for o, r, n in zip(output, reaches, extent, strict=True))
        around = (z, y, x)
        smoothed = scratch("smoothed", *shape_of(around))
        smooth(image, source, around, extent, self.taps, in_2d=in_2d, out=smoothed)
        gradient, average = structure_tensor_scales(self.scale, self.flavour)
        first = next(places[feature] for feature in self.features if feature.filter == STRUCTURE_TENSOR)
        target = out[first : first + (2 if in_2d else 3)]
        structure_tensor_eigenvalues(smoothed, around, output, extent, gradient, average, target, in_2d=in_2d)


def selection(filters_at_scales: Iterable[tuple[str, Iterable[float]]], *, in_2d: bool | None = None) -> FeatureSet:
    """A feature set from pairs of a filter and its scales."""
    return FeatureSet(tuple(Feature(name, s, in_2d) for name, scales in filters_at_scales for s in scales))


ECC = selection(
    [
        ("GaussianSmoothing", (0.3, 0.7)),
        ("GaussianGradientMagnitude", (0.7,)),
        ("DifferenceOfGaussians", (0.7, 1.0, 1.6, 3.5)),
        ("HessianOfGaussianEigenvalues", (1.0, 1.6, 3.5)),
    ]
)
"""The set that ecc recommends for cells at 6.5 µm voxels: 16 columns in 3-D."""
