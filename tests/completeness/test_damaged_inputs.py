"""Every damaged image of scripts/damaged_inputs.py is refused for the true reason, and no good one is."""

from __future__ import annotations

from pathlib import Path

import damaged_inputs
import pytest
from damaged_inputs import DAMAGED, GOOD, Case

from ecc_px.completeness import check_input
from ecc_px.errors import UnreadableVolume
from ecc_px.volumes import open_volume


@pytest.mark.parametrize("case", DAMAGED, ids=lambda case: case.name)
def test_a_damaged_image_is_refused_for_the_true_reason(case: Case, tmp_path: Path) -> None:
    report = check_input(case.make(tmp_path), jobs=2)
    assert damaged_inputs.has_true_reason(case, report.as_json()), report.findings
    with pytest.raises(UnreadableVolume):
        report.require_ok()


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_a_good_image_raises_no_alarm(case: Case, tmp_path: Path) -> None:
    path = case.make(tmp_path)
    report = check_input(path, jobs=2)
    assert report.ok, report.findings
    report.require_ok()
    with open_volume(path) as volume:
        assert report.planes == volume.shape[0]


def test_there_are_as_many_as_the_documentation_says() -> None:
    assert (len(DAMAGED), len(GOOD)) == (40, 20)
    assert len({case.name for case in (*DAMAGED, *GOOD)}) == 60
