"""Objects that somebody else has found: label images, and class maps."""

import numpy as np
import pytest
from array_volume import ArrayVolume
from scipy import ndimage

from ecc_px.cells import find_cells
from ecc_px.errors import InvalidSetting, UnreadableVolume

UM = (7.0, 6.45, 6.5)


@pytest.mark.parametrize("dtype", ["uint16", "int32", "uint32", "int64"])
def test_a_label_image_gives_the_cells_of_its_components(blobs, csv_bytes, dtype):
    probabilities, raw = blobs
    labels, count = ndimage.label(probabilities > 200)
    number = np.random.default_rng(0).permutation(count) + 1  # whoever numbers objects does it in their own order
    image = np.where(labels > 0, number[labels - 1], 0).astype(dtype)
    settings = {"voxel_um": UM, "input": "labels" if dtype == "uint16" else "auto"}
    found = find_cells(ArrayVolume(image), ArrayVolume(raw), block_shape=(5, 7, 11), jobs=3, **settings)
    whole = find_cells(ArrayVolume(image), ArrayVolume(raw), **settings)
    assert csv_bytes(found) == csv_bytes(whole)
    assert found.summary.objects == len(found) == count
    assert found.table.object.tolist() == number.tolist()
    components = find_cells(
        ArrayVolume(np.where(labels > 0, 255, 0).astype(np.uint8)), ArrayVolume(raw), voxel_um=UM, split="none"
    )
    assert found.table.drop(columns="object").equals(components.table.drop(columns="object"))


def test_a_label_in_two_pieces_is_one_cell():
    image = np.zeros((4, 8, 9), np.uint32)
    image[1, 1, 1:3] = image[2, 6, 5:7] = 7
    cells = find_cells(
        ArrayVolume(image), ArrayVolume(np.ones(image.shape, np.uint8)), voxel_um=UM, block_shape=(2, 4, 4)
    )
    assert cells.table[["voxels", "object"]].to_numpy().tolist() == [[4, 7]]


def test_a_class_map_is_read_by_class(blobs):
    probabilities, raw = blobs
    cell = probabilities > 200
    image = ArrayVolume(np.where(cell, 2, 1)[..., None].astype(np.uint8), axes="zyxc", channel_names=("class",))
    image.attributes = {"class_names": ["background", "cell"]}
    expected = find_cells(ArrayVolume(cell.astype(np.float32)), ArrayVolume(raw), voxel_um=UM, split="none")
    for class_ in (2, "2", "cell"):
        found = find_cells(image, ArrayVolume(raw), voxel_um=UM, split="none", class_=class_)
        assert found.table.equals(expected.table)
    by_option = ArrayVolume(np.where(cell, 2, 1).astype(np.uint8))
    found = find_cells(by_option, ArrayVolume(raw), voxel_um=UM, split="none", input="classes", class_=2)
    assert found.table.equals(expected.table)
    with pytest.raises(InvalidSetting, match="it names background, cell"):
        find_cells(image, ArrayVolume(raw), voxel_um=UM, class_="neuron")
    assert len(find_cells(image, ArrayVolume(raw), voxel_um=UM, class_="cell")) > 0


def test_several_channels_of_labels_are_refused():
    image = ArrayVolume(np.zeros((4, 5, 6, 2), np.uint32), axes="zyxc")
    with pytest.raises(InvalidSetting, match="2 channels"):
        find_cells(image, ArrayVolume(np.zeros((4, 5, 6), np.uint8)), voxel_um=UM)


def test_int16_is_no_probability_image_and_the_message_says_what_it_may_be():
    image = ArrayVolume(np.zeros((4, 5, 6), np.int16))
    with pytest.raises(UnreadableVolume, match="--input labels or classes"):
        find_cells(image, ArrayVolume(np.zeros((4, 5, 6), np.uint8)), voxel_um=UM)
