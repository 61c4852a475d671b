"""Objects and their measures: equal to whole-volume scipy and numpy, for any cut of the volume."""

import io

import numpy as np
import pandas as pd
import pytest
from array_volume import ArrayVolume
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ecc_px.cells import COLUMNS, find_cells
from ecc_px.cells.finding import check_settings
from ecc_px.cells.inputs import Inputs, channel_of_class
from ecc_px.cells.table import FURTHER_COLUMNS
from ecc_px.errors import EccPxError, GridMismatch, InvalidSetting, UnknownVoxelSize, UnreadableVolume
from ecc_px.volumes.streaming import pool_of

UM = (7.0, 6.45, 6.5)


PLAIN = {"split": "none", "threshold": 0.7}
"""A cell is a whole connected component."""


def whole_volume_table(
    foreground, raw, connectivity=6, intensity="obj_mean", low=1, high=None, background="shell", p=1.0
):
    """The definitions of docs/cells.md, written down once more with whole arrays."""
    structure = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])
    labels, count = ndimage.label(foreground, structure)  # numbers objects by their first voxels
    rows = []
    for label in range(1, count + 1):
        voxels = np.argwhere(labels == label)
        n = len(voxels)
        if n < low or (high is not None and n > high):
            continue
        centroid = voxels.sum(axis=0) / n
        centre = np.rint(centroid).astype(int)

        def box(half, centre=centre):
            return tuple(slice(max(c - h, 0), c + h + 1) for c, h in zip(centre, half, strict=True))

        values = raw[tuple(voxels.T)].astype(float)
        wide = box((2, 2, 2))  # 15 µm in voxels
        free = ~foreground[wide]
        if background == "percentile":
            bg = np.percentile(raw[box((4, 4, 4))].astype(float), 5)
        elif free.mean() > 0.02:
            bg = raw[wide][free].astype(float).mean()
        else:
            bg = np.percentile(raw[wide].astype(float), 5)
        cube = raw[box((1, 1, 1))].astype(float)
        signal = {"obj_mean": values.mean(), "max": cube.max(), "local_mean": cube.mean()}[intensity]
        weights = values - bg
        position = centroid
        if weights.sum() > 1e-9 * bg * n:
            position = np.clip((weights[:, None] * voxels).sum(0) / weights.sum(), voxels.min(0), voxels.max(0))
        spread = np.cov(voxels.T * np.array(UM)[:, None], bias=True) + np.diag(np.square(UM)) / 12
        axes = np.sqrt(np.linalg.eigvalsh(spread))
        delta, volume = max(0.0, signal - bg), n * np.prod(UM)
        low_corner, high_corner = voxels.min(0), voxels.max(0)
        at_border = ((low_corner == 0) | (high_corner == np.array(raw.shape) - 1)) & (np.array(raw.shape) > 1)
        rows.append(
            (
                *(position * UM)[::-1], delta, bg, volume, delta * volume, *(centroid * UM)[::-1], n, volume * p,
                values.mean(), values.max(), signal / bg, p, axes[2] / axes[0],
                low_corner[2], high_corner[2], low_corner[1], high_corner[1], low_corner[0], high_corner[0],
                int(at_border.any()), 0, len(rows) + 1,
            )
        )  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS + FURTHER_COLUMNS)


def assert_same(table, expected):
    pd.testing.assert_frame_equal(table, expected, check_dtype=False, rtol=1e-6, atol=1e-6)


@st.composite
def volumes(draw):
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 11), st.integers(1, 19)))
    density = draw(st.sampled_from([0.02, 0.15, 0.35, 0.7, 1.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return rng.random(shape) < density, rng.integers(0, 1000, shape).astype(np.uint16)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    volume=volumes(),
    block=st.tuples(st.integers(1, 10), st.integers(1, 12), st.integers(1, 20)),
    connectivity=st.sampled_from([6, 18, 26]),
    intensity=st.sampled_from(["obj_mean", "max", "local_mean"]),
    background=st.sampled_from(["shell", "percentile"]),
    jobs=st.integers(1, 4),
    limits=st.sampled_from([(1, None), (2, None), (2, 5)]),
)
def test_any_cut_gives_the_components_of_the_whole_volume(
    volume, block, connectivity, intensity, background, jobs, limits
):
    foreground, raw = volume
    cells = find_cells(
        ArrayVolume(foreground.astype(np.float32)),
        ArrayVolume(raw),
        voxel_um=UM,
        connectivity=connectivity,
        intensity=intensity,
        background=background,
        min_volume=limits[0],
        max_volume=limits[1],
        block_shape=block,
        jobs=jobs,
        **PLAIN,
    )
    assert_same(cells.table, whole_volume_table(foreground, raw, connectivity, intensity, *limits, background))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    volume=volumes(),
    block=st.tuples(st.integers(1, 10), st.integers(1, 12), st.integers(1, 20)),
    split=st.sampled_from(["auto", "maxima", "distance", "none"]),
    diameter_um=st.sampled_from([None, 6.45, 13.0, 30.0]),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32]),
    values=st.sampled_from([1, 3, 1000]),
    jobs=st.integers(1, 4),
)
def test_any_cut_gives_the_bytes_of_the_whole_volume(volume, block, split, diameter_um, dtype, values, jobs, csv_bytes):
    foreground, raw = volume
    raw = (raw % values).astype(dtype)  # few values: many ties
    settings_ = {"voxel_um": UM, "split": split, "diameter_um": None if split == "none" else diameter_um}
    image = ArrayVolume(np.where(foreground, 200 + raw % 50, 20).astype(np.uint8))
    whole = find_cells(image, ArrayVolume(raw), block_shape=foreground.shape, jobs=1, **settings_)
    cut = find_cells(image, ArrayVolume(raw), block_shape=block, jobs=jobs, **settings_)
    assert csv_bytes(cut) == csv_bytes(whole)
    assert cut.summary == whole.summary


def test_float_raw_gives_the_same_bytes_for_any_cut(blobs, csv_bytes):
    probabilities, raw = blobs
    raw = (raw * np.float32(np.pi)).astype(np.float32)
    tables = {
        csv_bytes(
            find_cells(ArrayVolume(probabilities), ArrayVolume(raw), voxel_um=UM, block_shape=block, jobs=jobs, **PLAIN)
        )
        for block, jobs in [(None, 1), ((5, 7, 11), 2), ((27, 1, 36), 3), ((4, 4, 4), 1)]
    }
    assert len(tables) == 1
    assert pd.read_csv(io.BytesIO(tables.pop())).deltaI.to_numpy() == pytest.approx(
        whole_volume_table(probabilities > 200, raw).deltaI, abs=0.006
    )


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "float32"])
def test_every_raw_dtype_is_measured_alike(blobs, dtype):
    probabilities, raw = blobs
    cells = find_cells(
        ArrayVolume(probabilities), ArrayVolume((raw // 4).astype(dtype)), voxel_um=UM, block_shape=(9, 16, 16), **PLAIN
    )
    assert_same(cells.table, whole_volume_table(probabilities > 200, raw // 4, p=230 / 255))


def test_a_snake_through_all_blocks_is_one_object():
    foreground = np.zeros((6, 20, 24), bool)
    for z in (0, 2, 4):
        foreground[z, ::2] = True
        for i, y in enumerate(range(1, 19, 2)):
            foreground[z, y, 0 if i % 2 else -1] = True
    foreground[1, 0, 0] = foreground[3, -2, 0] = True
    assert ndimage.label(foreground)[1] == 1
    cells = find_cells(
        ArrayVolume(foreground.astype(np.float32)),
        ArrayVolume(foreground.astype(np.uint16)),
        voxel_um=(1, 1, 1),
        block_shape=(1, 3, 4),
        jobs=2,
    )
    assert cells.table.vol.tolist() == [foreground.sum()]


def test_a_ring_that_closes_over_four_blocks_is_one_object():
    foreground = np.zeros((3, 12, 12), bool)
    foreground[1, 2:10, 2:10] = True
    foreground[1, 3:9, 3:9] = False
    cells = find_cells(
        ArrayVolume(foreground.astype(np.float32)),
        ArrayVolume(foreground.astype(np.uint16)),
        voxel_um=(1, 1, 1),
        block_shape=(3, 6, 6),
    )
    assert cells.table[["X", "Y", "Z", "vol"]].to_numpy().tolist() == [[5.5, 5.5, 1.0, 28.0]]


@pytest.mark.parametrize(("connectivity", "count"), [(6, 5), (18, 4), (26, 3)])
def test_blocks_that_meet_at_an_edge_or_a_corner_join_by_connectivity(connectivity, count):
    """Three pairs of voxels, each pair in two blocks: by a face, over an edge, over a corner."""
    foreground = np.zeros((4, 12, 12), np.float32)
    for voxel in [(1, 1, 1), (2, 1, 1), (1, 1, 5), (2, 1, 6), (1, 5, 9), (2, 6, 8)]:
        foreground[voxel] = 1
    cells = find_cells(
        ArrayVolume(foreground),
        ArrayVolume(foreground.astype(np.uint8)),
        voxel_um=UM,
        connectivity=connectivity,
        split="none",
        block_shape=(2, 6, 3),
    )
    assert len(cells) == count


def test_six_cells_at_the_last_planes_are_six_rows():
    """ecc reports each of these twice: its last slab along z is shorter than the overlap of its blocks."""
    probabilities = np.zeros((55, 50, 50), np.uint8)
    raw = np.full(probabilities.shape, 100, np.uint16)
    for y in (10, 25, 40):
        for x in (10, 30):
            ball = np.s_[51:54, y - 1 : y + 2, x - 1 : x + 2]
            probabilities[ball], raw[ball] = 255, 500
    cells = find_cells(
        ArrayVolume(probabilities),
        ArrayVolume(raw),
        voxel_um=(7.0, 6.45, 6.45),
        block_shape=(50, 50, 50),
        jobs=2,
    )
    assert len(cells) == 6
    assert set(cells.table.deltaI) == {400.0}
    assert set(cells.table.Z) == {364.0}
    assert np.allclose(cells.table.deltaI_total, cells.table.deltaI * cells.table.vol)


def test_background_is_clipped_at_the_volume_and_not_at_a_block():
    probabilities = np.zeros((20, 20, 20), np.float32)
    probabilities[10, 10, 10] = 1
    raw = np.full(probabilities.shape, 300, np.uint16)
    raw[:10] = 50  # all of it in the earlier block; most of the cube around the cell is 300
    cells = find_cells(
        ArrayVolume(probabilities), ArrayVolume(raw), voxel_um=(1, 1, 1), block_shape=(10, 10, 10), like="ecc"
    )
    assert cells.table.BG.tolist() == [50.0]
    assert cells.table.deltaI.tolist() == [250.0]


def test_excluded_voxels_are_no_object_and_are_counted(blobs):
    probabilities, raw = blobs
    mask = np.zeros(probabilities.shape, np.uint8)
    mask[:, :15] = 7
    cells = find_cells(
        ArrayVolume(probabilities),
        ArrayVolume(raw),
        exclude=ArrayVolume(mask),
        voxel_um=UM,
        block_shape=(8, 8, 8),
        background="percentile",
        **PLAIN,
    )
    above = probabilities > 200
    expected = whole_volume_table(above & (mask == 0), raw, background="percentile", p=230 / 255)
    expected["at_excluded"] = (expected.y_min == 15).astype(int)
    assert_same(cells.table, expected)
    assert 0 < cells.table.at_excluded.sum() < len(cells)
    assert cells.summary.excluded_voxels == np.count_nonzero(above & (mask > 0))


def test_a_voxel_is_excluded_by_any_channel():
    image = np.zeros((4, 8, 8), np.float32)
    image[1, 1, 1] = image[1, 4, 4] = image[2, 6, 6] = 1
    mask = np.zeros((*image.shape, 2), np.uint8)
    mask[1, 1, 1, 0] = mask[1, 4, 4, 1] = 1
    cells = find_cells(
        ArrayVolume(image),
        ArrayVolume(image.astype(np.uint8)),
        exclude=ArrayVolume(mask, axes="zyxc"),
        voxel_um=(1, 1, 1),
    )
    assert cells.table.Y.tolist() == [6.0]
    assert cells.summary.excluded_voxels == 2


def test_volume_limits_are_included_and_the_summary_accounts_for_every_object(blobs):
    probabilities, raw = blobs
    image, volume = ArrayVolume(probabilities), ArrayVolume(raw)
    sizes = np.bincount(ndimage.label(probabilities > 200)[0].ravel())[1:]
    low, high = np.sort(sizes)[[len(sizes) // 4, 3 * len(sizes) // 4]]
    cells = find_cells(
        image, volume, voxel_um=(1, 1, 1), min_volume=int(low), max_volume=int(high), block_shape=(8, 9, 10), **PLAIN
    )
    assert sorted(cells.table.vol) == sorted(sizes[(sizes >= low) & (sizes <= high)])
    assert cells.table.vol.min() == low
    assert cells.table.vol.max() == high
    summary = cells.summary
    assert (summary.objects, summary.too_small_or_faint, summary.too_large, summary.cells) == (
        len(sizes),
        (sizes < low).sum(),
        (sizes > high).sum(),
        len(cells),
    )


def test_a_class_is_chosen_by_label_or_by_name():
    first, second = np.zeros((2, 4, 8, 8), np.float32)
    first[1, 2, 2], second[1, 6, 6] = 1, 1
    image = ArrayVolume(np.stack([first, second], axis=-1), axes="zyxc", channel_names=("cell", "vessel"))
    raw = ArrayVolume(np.zeros((4, 8, 8), np.uint8))
    found = {
        class_: find_cells(image, raw, voxel_um=(1, 1, 1), class_=class_).table.Y.tolist()
        for class_ in (None, 1, "2", 2, "vessel", "cell")
    }
    assert found == {None: [2.0], 1: [2.0], "2": [6.0], 2: [6.0], "vessel": [6.0], "cell": [2.0]}
    with pytest.raises(InvalidSetting, match="labels 1, 2, named cell, vessel"):
        find_cells(image, raw, voxel_um=(1, 1, 1), class_="neuron")


def test_labels_of_a_part_of_the_classes_are_those_that_the_image_says():
    first, second = np.zeros((2, 4, 8, 8), np.float32)
    first[1, 2, 2], second[1, 6, 6] = 1, 1
    raw = ArrayVolume(np.zeros((4, 8, 8), np.uint8))
    two = ArrayVolume(np.stack([first, second], axis=-1), axes="zyxc", class_labels=[4, 2])
    assert find_cells(two, raw, voxel_um=(1, 1, 1), class_=2).table.Y.tolist() == [6.0]
    with pytest.raises(InvalidSetting, match=r"class 1: .* has the labels 4, 2"):
        find_cells(two, raw, voxel_um=(1, 1, 1))


def test_the_only_channel_of_another_class_is_taken_only_when_it_is_asked_for():
    image = np.zeros((4, 8, 8), np.float32)
    image[1, 6, 6] = 1
    raw = ArrayVolume(np.zeros((4, 8, 8), np.uint8))
    background = ArrayVolume(image, class_labels=[2])
    with pytest.raises(InvalidSetting, match=r"class 1: .* has the labels 2: choose one with --class"):
        find_cells(background, raw, voxel_um=(1, 1, 1))
    assert len(find_cells(background, raw, voxel_um=(1, 1, 1), class_=2)) == 1
    assert len(find_cells(ArrayVolume(image, class_labels=[1]), raw, voxel_um=(1, 1, 1))) == 1
    assert len(find_cells(ArrayVolume(image), raw, voxel_um=(1, 1, 1))) == 1


def test_digits_are_a_label_and_a_name_that_two_classes_have_is_refused():
    image = ArrayVolume(
        np.zeros((4, 8, 8, 4), np.float32),
        axes="zyxc",
        channel_names=("2", "1", "cell", "cell"),
        class_labels=[1, 2, 3, 4],
    )
    assert [channel_of_class(image, class_) for class_ in (1, "1", 2, "2", "04")] == [0, 0, 1, 1, 3]
    with pytest.raises(InvalidSetting, match=r"class cell: 2 channels are called so; .* labels 1, 2, 3, 4, named"):
        channel_of_class(image, "cell")


def test_a_2d_image_gives_cells():
    image = np.zeros((10, 12), np.float32)
    image[4:6, 3:5] = 1
    cells = find_cells(
        ArrayVolume(image, axes="yx"), ArrayVolume(image.astype(np.uint8), axes="yx"), voxel_um=(1, 2, 2)
    )
    assert cells.table[["X", "Y", "Z", "vol"]].to_numpy().tolist() == [[7.0, 9.0, 0.0, 16.0]]


def test_nothing_above_the_threshold_is_an_empty_table_with_a_warning(csv_bytes):
    image, raw = np.zeros((4, 5, 6), np.uint8), np.zeros((4, 5, 6), np.uint16)
    cells = find_cells(ArrayVolume(image), ArrayVolume(raw), voxel_um=UM)
    assert csv_bytes(cells) == ",".join(COLUMNS + FURTHER_COLUMNS).encode() + b"\n"
    assert "no cell" in cells.warnings[0]


def test_the_file_knows_the_voxel_size_and_a_contradiction_is_told():
    image, raw = np.zeros((4, 5, 6), np.uint8), np.zeros((4, 5, 6), np.uint16)
    image[1, 1, 1] = 255
    volumes = ArrayVolume(image), ArrayVolume(raw, voxel_um=(5.0, 2.0, 2.0))
    assert find_cells(*volumes).table.vol.tolist() == [20.0]
    assert find_cells(*volumes).warnings == ()
    assert find_cells(*volumes, voxel_um=(5.01, 2.0, 2.0)).warnings == ()
    differing = find_cells(*volumes, voxel_um=(10.0, 2.0, 2.0))
    assert differing.table.vol.tolist() == [40.0]
    assert "10 × 2 × 2 µm" in differing.warnings[0]
    assert "5 × 2 × 2 µm" in differing.warnings[0]


def test_progress_counts_up_to_all_voxels(blobs):
    probabilities, raw = blobs
    seen = []
    find_cells(
        ArrayVolume(probabilities),
        ArrayVolume(raw),
        voxel_um=UM,
        block_shape=(9, 9, 9),
        jobs=2,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == sorted(seen)
    assert seen[-1] == (raw.size, raw.size)
    assert {total for _, total in seen} == {raw.size}


ZEROS = np.zeros((4, 5, 6), np.uint8)
NAN = np.full((4, 5, 6), np.nan, np.float32)


@pytest.mark.parametrize(
    ("changed", "error", "sentence"),
    [
        ({"raw": ZEROS[:3]}, GridMismatch, "3 × 5 × 6.*4 × 5 × 6"),
        ({"exclude": ZEROS[:, :2]}, GridMismatch, "4 × 2 × 6.*4 × 5 × 6"),
        ({"voxel_um": None}, UnknownVoxelSize, "--voxel-um Z Y X"),
        ({"voxel_um": (1, 0, 1)}, InvalidSetting, "voxel size"),
        ({"threshold": 1.0}, InvalidSetting, "threshold 1"),
        ({"threshold": -0.1}, InvalidSetting, "threshold -0.1"),
        ({"threshold": float("nan")}, InvalidSetting, "threshold nan"),
        ({"connectivity": 8}, InvalidSetting, "6, 18 or 26"),
        ({"connectivity": 6, "split": "auto"}, InvalidSetting, "26 neighbours"),
        ({"split": "watershed"}, InvalidSetting, "auto, none, maxima, distance"),
        ({"diameter_um": 0}, InvalidSetting, "diameter 0"),
        ({"diameter_um": 12, "split": "none"}, InvalidSetting, "nothing is split"),
        ({"background": "ring"}, InvalidSetting, "shell, percentile"),
        ({"like": "cellfinder"}, InvalidSetting, "choose one of ecc"),
        ({"input": "masks"}, InvalidSetting, "auto, probabilities, classes, labels"),
        ({"input": "labels", "split": "auto"}, InvalidSetting, "objects already"),
        ({"input": "labels", "probabilities": NAN}, UnreadableVolume, "whole numbers"),
        ({"input": "classes", "class_": "cell"}, InvalidSetting, "class cell"),
        ({"min_volume": 9, "max_volume": 8}, InvalidSetting, "max volume 8 is below min volume 9"),
        ({"min_volume": 0}, InvalidSetting, "min volume 0"),
        ({"intensity": "mean"}, InvalidSetting, "obj_mean, max, local_mean"),
        ({"local_min_rad": -1}, InvalidSetting, "local_min_rad -1"),
        ({"local_min_percentile": 101}, InvalidSetting, "percentile"),
        ({"class_": 2}, InvalidSetting, "class 2"),
        ({"raw_channel": 1}, InvalidSetting, "raw channel 1"),
        ({"jobs": 0}, InvalidSetting, "jobs 0"),
        ({"block_shape": (0, 4, 4)}, InvalidSetting, "block shape"),
        ({"probabilities": NAN}, UnreadableVolume, "NaN among the probabilities"),
        ({"probabilities": ZEROS + np.float32(200)}, UnreadableVolume, "between 0 and 1"),
        ({"probabilities": ZEROS.astype(np.int16)}, UnreadableVolume, "int16 is no probability image"),
        ({"probabilities": ZEROS + np.uint8(255), "raw": NAN}, UnreadableVolume, "NaN, infinite"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(changed, error, sentence):
    call = {"probabilities": ZEROS, "raw": ZEROS, "voxel_um": UM} | changed
    for role in ("probabilities", "raw", "exclude"):
        if role in call:
            call[role] = ArrayVolume(call[role])
    with pytest.raises(error, match=sentence):
        find_cells(call.pop("probabilities"), call.pop("raw"), **call)


@settings(max_examples=25, deadline=None)
@given(
    block=st.tuples(st.integers(5, 28), st.integers(5, 31), st.integers(5, 37)),
    intensity=st.sampled_from(["obj_mean", "max", "local_mean"]),
    radius=st.sampled_from([0, 2, 4]),
    bad=st.sampled_from([np.nan, np.inf, -np.inf, 1e9]),
)
def test_unmeasurable_raw_is_refused_only_where_it_is_measured_for_any_cut(block, intensity, radius, bad):
    image, raw = np.zeros((2, 27, 30, 36), np.float32)
    image[5, 5, 5:8] = image[20, 22, 30] = 1
    settings_ = {"intensity": intensity, "local_min_rad": radius, "voxel_um": UM, "block_shape": block}
    settings_ |= {"background": "percentile"} | PLAIN
    is_measured = image > 0
    reach = max(radius, 0 if intensity == "obj_mean" else 1)
    for z, y, x in ((5, 5, 6), (20, 22, 30)):
        is_measured[z - reach : z + reach + 1, y - reach : y + reach + 1, x - reach : x + reach + 1] = True
    raw[~is_measured] = bad
    assert len(find_cells(ArrayVolume(image), ArrayVolume(raw), **settings_)) == 2

    z, y, x = np.argwhere(is_measured)[-1]
    raw[z, y, x] = bad
    with pytest.raises(UnreadableVolume, match=f"NaN, infinite, .* at z {z}, y {y}, x {x}"):
        find_cells(ArrayVolume(image), ArrayVolume(raw), **settings_)


@pytest.mark.parametrize("block", [(27, 30, 36), (7, 9, 11)])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_unmeasurable_raw_beside_a_cell_is_dark_and_in_its_shell_refused(block, bad):
    image, raw = np.zeros((2, 27, 30, 36), np.float32)
    image[10:15, 10:15, 10:15] = 1
    raw[image > 0] = 100
    image[9:16, 9:16, 9:16] = np.maximum(image[9:16, 9:16, 9:16], 0.4)  # an edge: neither cell nor background
    dark, raw[9] = raw.copy(), np.where(image[9] > 0, bad, raw[9])
    settings_ = {"voxel_um": (4, 4, 4), "block_shape": block, "diameter_um": 20}
    found, expected = (find_cells(ArrayVolume(image), ArrayVolume(r), **settings_).table for r in (raw, dark))
    assert len(expected) == 1
    assert found.equals(expected)

    raw[12, 12, 16] = bad
    with pytest.raises(UnreadableVolume, match="at z 12, y 12, x 16"):
        find_cells(ArrayVolume(image), ArrayVolume(raw), **settings_)


def test_raw_of_any_axis_order_reaches_the_kernels_in_one_layout():
    raw = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)

    def intensities(volume):
        inputs = Inputs(ArrayVolume(ZEROS), "probabilities", 0, 1, 0.5, volume, 0, None)
        return inputs.intensities((slice(0, 3), slice(0, 5), slice(0, 6)))

    assert np.shares_memory(intensities(ArrayVolume(raw)), raw)
    turned = intensities(ArrayVolume(np.ascontiguousarray(raw.transpose()), axes="xyz"))
    assert turned.flags.c_contiguous
    assert np.array_equal(turned, raw[:3])


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 1.0},
        {"connectivity": 8},
        {"min_volume": 0},
        {"min_volume": 9, "max_volume": 8},
        {"intensity": "mean"},
        {"local_max_rad": -1},
        {"local_min_rad": -1},
        {"local_min_percentile": 101},
        {"voxel_um": (1.0, float("inf"), 1.0)},
        {"voxel_um": ()},
        {"jobs": 0},
        {"block_shape": (0, 4, 4)},
    ],
)
def test_settings_are_checked_without_any_volume(wrong):
    check_settings(class_="cell", exclude="not/there.h5", raw_channel=3, voxel_um=UM)
    with pytest.raises(InvalidSetting):
        check_settings(**wrong)
    with pytest.raises(InvalidSetting):
        find_cells("not/there.h5", "nor/there.h5", **wrong)


def test_several_time_points_are_refused():
    film = ArrayVolume(np.zeros((2, 4, 5, 6), np.uint8), axes="tzyx")
    with pytest.raises(InvalidSetting, match="2 time points"):
        find_cells(film, ArrayVolume(ZEROS), voxel_um=UM)


def test_nan_in_the_excluded_region_is_nobodys_business():
    image = np.zeros((4, 5, 6), np.float32)
    image[0] = np.nan
    image[2, 2, 2] = 1
    mask = np.zeros(image.shape, np.uint8)
    mask[0] = 1
    cells = find_cells(ArrayVolume(image), ArrayVolume(ZEROS), exclude=ArrayVolume(mask), voxel_um=UM)
    assert len(cells) == 1


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_block_that_cannot_be_read_ends_the_work_with_its_error(blobs, jobs):
    class Broken(ArrayVolume):
        def _read_stored(self, index):
            if index[0].start >= 9:
                raise UnreadableVolume("plane 9 is damaged.")
            return super()._read_stored(index)

    probabilities, raw = blobs
    with pytest.raises(EccPxError, match="plane 9"):
        find_cells(Broken(probabilities), ArrayVolume(raw), voxel_um=UM, block_shape=(3, 30, 36), jobs=jobs)


@pytest.fixture(scope="module")
def processes():
    with pool_of("processes", 2) as pool:
        yield pool


@pytest.mark.parametrize("how", ["auto", "distance", "labels", "excluded"])
def test_other_processes_give_the_same_bytes(how, blobs, csv_bytes, processes):
    probabilities, raw = blobs
    options = {"voxel_um": UM, "block_shape": (10, 13, 17), "jobs": 2}
    options |= {"split": how} if how in ("auto", "distance") else {}
    if how == "labels":
        probabilities = ndimage.label(probabilities > 128)[0].astype(np.int32)
    if how == "excluded":
        options["exclude"] = ArrayVolume(np.arange(raw.size).reshape(raw.shape) % 97 == 0)
    image, measured = ArrayVolume(probabilities), ArrayVolume(raw)
    threads = csv_bytes(find_cells(image, measured, **options))
    assert csv_bytes(find_cells(image, measured, executor=processes, **options)) == threads


def test_what_is_wrong_with_a_volume_is_told_by_another_process_too(blobs, processes):
    probabilities, raw = blobs
    broken = probabilities.astype(np.float32) / 255
    broken[20, 3, 4] = np.nan
    with pytest.raises(UnreadableVolume, match="NaN among the probabilities"):
        find_cells(ArrayVolume(broken), ArrayVolume(raw), voxel_um=UM, executor=processes)
