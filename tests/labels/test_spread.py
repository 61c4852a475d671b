"""What `labels check` counts and concludes."""

from __future__ import annotations

import numpy as np

from ecc_px.labels import Annotation, LabelBlock, LabelClass, new_classes
from ecc_px.labels.spread import ClassSpread, Verdict, judge, spread_of

CLASSES = new_classes(["cell:object", "false:false_signal", "background:background"])


def spread(label: int, voxels: int, places: int = 2) -> dict[int, ClassSpread]:
    return {label: ClassSpread(label, voxels, 1, places, ((0, 1),) * 3)}


def verdict_on(*spreads: dict[int, ClassSpread], classes: tuple[LabelClass, ...] = CLASSES, few: int = 100) -> Verdict:
    merged: dict[int, ClassSpread] = {}
    for one in spreads:
        merged |= one
    return judge(classes, {"a.nii": merged}, few=few)


def test_voxels_bricks_places_and_bounds_across_boxes() -> None:
    first = np.zeros((1, 10, 70, 5), np.uint8)
    first[0, 2, 60:70, 1] = 1  # two bricks that touch
    second = np.zeros((1, 1, 1, 2), np.uint8)
    second[..., 0], second[..., 1] = 1, 2
    annotation = Annotation(
        (LabelBlock((0, 0, 0, 0), first), LabelBlock((0, 100, 300, 500), second)), (1, 200, 400, 1000)
    )
    found = spread_of(annotation)
    assert found[1] == ClassSpread(1, 11, 3, 2, ((2, 101), (60, 301), (1, 501)))
    assert found[1].share_of((200, 400, 1000)) == (99 / 200, 241 / 400, 0.5)
    assert found[2] == ClassSpread(2, 1, 1, 1, ((100, 101), (300, 301), (501, 502)))


def test_enough_of_everything_is_nothing_to_say() -> None:
    assert verdict_on(spread(1, 6000), spread(2, 500), spread(3, 500)) == Verdict((), (), ())


def test_a_class_without_voxels_is_a_problem() -> None:
    assert verdict_on(spread(1, 6000), spread(3, 500)).problems == ("Class 2 (false) has no voxel.",)
    unnamed = verdict_on(spread(1, 6000), spread(3, 500), classes=())
    assert unnamed.problems == ("Class 2 (label 2) has no voxel.",)


def test_named_classes_behind_the_last_one_drawn_need_no_voxels_where_nobody_asked_for_them() -> None:
    drawn = spread(1, 6000) | spread(2, 500)
    found = judge(CLASSES, {"a": drawn}, all_needed=False)
    assert found.problems == ()
    assert found.warnings == ("Named, but without a voxel: 3 (background).",)
    gap = judge(CLASSES, {"a": spread(1, 6000) | spread(3, 500)}, all_needed=False)
    assert gap.problems == ("Class 2 (false) has no voxel.",)


def test_one_class_alone_is_a_problem() -> None:
    assert "only one class" in verdict_on(spread(1, 6000), classes=CLASSES[:1]).problems[0]


def test_few_voxels_are_told_against_the_limit() -> None:
    everything = (spread(1, 6000), spread(2, 99), spread(3, 500))
    assert verdict_on(*everything).warnings == ("Class 2 (false) has only 99 voxels, fewer than 100.",)
    assert verdict_on(*everything, few=99).warnings == ()


def test_classes_are_pooled_over_sources_and_a_source_without_one_is_told() -> None:
    found = judge(CLASSES, {"a": spread(1, 6000) | spread(2, 200), "b": spread(3, 200) | spread(1, 5)})
    assert found.problems == ()
    assert "Class 2 (false) has no voxel in b." in found.warnings
    assert "Class 3 (background) has no voxel in a." in found.warnings


def test_label_1_that_is_no_object_is_told_by_role_or_name() -> None:
    enough = (spread(1, 6000), spread(2, 500))
    assert "Label 1 is 'x' (background)" in verdict_on(*enough, classes=new_classes(["x:background", "y"])).warnings[0]
    assert "Label 1 is 'tissue' (no role)" in verdict_on(*enough, classes=new_classes(["tissue", "y"])).warnings[0]
    assert verdict_on(*enough, classes=new_classes(["PV_cells", "y"])).warnings == ()
    assert verdict_on(*enough, classes=new_classes(["tissue:object", "y"])).warnings == ()


def test_eccs_advice_and_a_single_place_are_hints() -> None:
    hints = verdict_on(spread(1, 5000, 1), spread(2, 500, 1), spread(3, 500, 1)).hints
    assert len(hints) == 2
    assert "Label 1 has 5,000 voxels; ecc's authors advise more than 5,000" in hints[0]
    assert "a.nii: all labels lie in one place" in hints[1]
    assert verdict_on(spread(1, 5001), spread(2, 500), spread(3, 500)).hints == ()
