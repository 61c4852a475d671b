"""Compile every numba kernel ahead of the first brain, by doing the whole job once on tiny volumes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ecc_px.cells import find_cells
from ecc_px.classifiers import Classifier
from ecc_px.features import Feature, FeatureSet
from ecc_px.features.ilastik import FILTER_NAMES
from ecc_px.labels import LabelClass
from ecc_px.models.forest import Forest
from ecc_px.models.forest import warm_up as warm_up_votes
from ecc_px.pipeline.predict import predict
from ecc_px.volumes import Layout, create_volume
from ecc_px.volumes.blocks import Shape, whole
from ecc_px.volumes.volume import SUPPORTED_DTYPES

EDGE = 24


def warm_up() -> Iterator[str]:
    """Compile what is not in numba's cache on disk yet; yields the name of each stage before it begins."""
    yield "votes"
    warm_up_votes()
    with TemporaryDirectory(prefix="ecc-px-warmup-") as folder:
        yield from _compile_prediction(Path(folder))
        yield from _compile_cells(Path(folder))


def _compile_prediction(folder: Path) -> Iterator[str]:
    shapes: dict[str, Shape] = {"volumes": (EDGE, EDGE, EDGE), "2-D images": (1, EDGE, EDGE)}
    for (what, shape), leaves in product(shapes.items(), ("pure", "mixed")):
        yield f"features and votes of {what}, {leaves} leaves"
        image = _write(folder / "image.h5", shape, "uint16")
        features = FeatureSet(tuple(Feature(name, 1.0) for name in FILTER_NAMES))
        forest = _stump(features.count(flat=shape[0] == 1), pure=leaves == "pure")
        classes = (LabelClass(1, "object", (255, 0, 0)), LabelClass(2, "background", (0, 0, 255)))
        predict(Classifier(features, forest, classes, image, ""), image, folder, overwrite=True)


def _compile_cells(folder: Path) -> Iterator[str]:
    for stored, measured in product(("uint8", "uint16", "float32"), SUPPORTED_DTYPES):
        yield f"cells of {stored} probabilities in {measured} volumes"
        shape = (EDGE, EDGE, EDGE)
        probabilities, raw = _write(folder / "p.h5", shape, stored), _write(folder / "raw.h5", shape, measured)
        for split, intensity, like in (
            ("auto", "obj_mean", None),
            ("maxima", "max", None),
            ("distance", "local_mean", None),
            ("none", "obj_mean", "ecc"),
        ):
            find_cells(
                probabilities,
                raw,
                voxel_um=(1.0, 1.0, 1.0),
                split=split,  # type: ignore[arg-type]
                intensity=intensity,  # type: ignore[arg-type]
                like=like,  # type: ignore[arg-type]
                block_shape=(EDGE // 2,) * 3,
            )


def _write(path: Path, shape: Shape, dtype: str) -> Path:
    """A volume of noise, in which objects cross the borders of blocks."""
    noise = np.random.default_rng(0).random((1, *shape), np.float32)
    image = noise if dtype == "float32" else (noise * np.iinfo(dtype).max).astype(dtype)
    layout = Layout(axes="zyx", stored_shape=shape, dtype=np.dtype(dtype))
    with create_volume(path, layout, overwrite=True) as writer:
        writer.write(whole(shape), image)
    return path


def _stump(n_features: int, *, pure: bool) -> Forest:
    """One tree with one decision."""
    share = 1.0 if pure else 0.75
    return Forest(
        feature=np.array([0, -1, -1], np.int32),
        threshold=np.array([0.5, 0.0, 0.0]),
        left=np.array([1, -1, -1], np.int32),
        right=np.array([2, -1, -1], np.int32),
        fractions=np.array([[0.0, 0.0], [share, 1 - share], [1 - share, share]]),
        roots=np.array([0], np.int32),
        part_sizes=(1,),
        labels=np.array([1, 2], np.int32),
        n_features=n_features,
    )
