"""Fragments become the objects that they are parts of, and what is complete is let go of early."""

import numpy as np
import pytest
from scipy import ndimage

from ecc_px.cells.components import Voxels, objects_of_block
from ecc_px.cells.objects import Objects
from ecc_px.cells.seams import Seams
from ecc_px.volumes.blocks import blocks_of


@pytest.mark.parametrize(("connectivity", "density"), [(6, 0.25), (26, 0.06), (26, 0.02)])
@pytest.mark.parametrize("patience", [0, 5, 1 << 16])
def test_objects_are_complete_however_early_they_are_let_go_of(connectivity, density, patience):
    foreground = np.random.default_rng(5).random((12, 16, 21)) < density
    core = (2, 3, 4)
    seams = Seams(foreground.shape, core, connectivity, patience=patience)
    found, early = [], 0
    for block in blocks_of(foreground.shape, core):
        piece = objects_of_block(Voxels(foreground[block.core]), block.core, foreground.shape, connectivity)
        z, y, x = (side.start // n for side, n in zip(block.core, core, strict=True))
        complete = seams.add((z, y, x), piece)
        early += len(complete)
        found += [piece.closed, complete]
    objects = Objects.concatenated([*found, seams.finish()])
    objects = objects.take(np.argsort(objects.first))

    structure = ndimage.generate_binary_structure(3, 1 if connectivity == 6 else 3)
    labels, count = ndimage.label(foreground, structure)
    assert len(objects) == count
    assert objects.voxels.tolist() == np.bincount(labels.ravel())[1:].tolist()
    assert objects.first.tolist() == np.unique(labels, return_index=True)[1][1:].tolist()
    centres = ndimage.center_of_mass(foreground, labels, np.arange(1, count + 1))
    assert np.allclose(objects.centroid, centres)
    if patience < 10:
        assert early > count // 4
