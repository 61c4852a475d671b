"""The page of a brain: what it says is what the table and the receipts say, and it needs nothing else."""

from __future__ import annotations

import doctest
import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser

from ecc_px.pipeline.receipt import receipt_path
from ecc_px.report import svg_plots
from ecc_px.report.brain_facts import BrainFacts, Profile, facts_of
from ecc_px.report.page import brain_page, write_brain_page
from ecc_px.report.svg_plots import plot

SHAPE, VOXEL_UM = (200, 150, 300), (5.0, 2.0, 2.0)


def receipts(name: str = "mouse", **warnings: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of a probability image and of a table, with the keys that the pipeline writes."""
    prediction = {
        "classifier": {"path": f"/c/{name}.ilp", "sha256": "0123456789abcdef", "classes": {"1": name, "2": "other"}},
        "warnings": warnings.get("prediction", []),
        "seconds": 90.0,
    }
    found = {
        "raw": {"path": f"/in/{name}", "axes": "czyx", "shape": [2, *SHAPE], "dtype": "uint16"},
        "voxel_um_zyx": list(VOXEL_UM),
        "settings": {"threshold": 0.7, "min_volume": 2, "max_volume": 64},
        "summary": {"too_small_or_faint": 12, "too_large": 3, "excluded_voxels": 0, "diameter_um": None},
        "warnings": warnings.get("found", []),
        "seconds": 30.0,
        "finished": "2026-03-14T02:30:00+00:00",
        "versions": {"ecc-px": "1.2.3"},
    }
    return prediction, found


def a_table(cells: int, seed: int = 0, **columns: Any) -> pd.DataFrame:
    """Cells anywhere in the image, at whole voxels as ecc has them."""
    random = np.random.default_rng(seed)
    z, y, x = (random.integers(0, n, cells) * v for n, v in zip(SHAPE, VOXEL_UM, strict=True))
    usual = {"X": x, "Y": y, "Z": z, "vol": random.integers(2, 65, cells) * 20.0, "SBR": 1 + random.random(cells)}
    return pd.DataFrame({**usual, "at_border": np.zeros(cells), **columns})


def facts(table: pd.DataFrame, **warnings: list[str]) -> BrainFacts:
    return facts_of("mouse", table, *receipts(**warnings))


def test_every_cell_is_in_every_plot_and_the_density_is_per_mm3_of_image() -> None:
    found = facts(a_table(5000))
    volume_mm3 = np.prod(np.multiply(SHAPE, VOXEL_UM) / 1000)
    for profile, length in zip(found.density, np.multiply(SHAPE, VOXEL_UM) / 1000, strict=True):
        assert profile.edges[-1] == pytest.approx(length)
        widths = np.diff(profile.edges)
        assert (profile.values * widths / length * volume_mm3).sum() == pytest.approx(5000)
        # Slabs of whole voxels: none stands out because it has more positions than the others.
        assert profile.values.max() < 1.6 * np.median(profile.values)
    assert [profile.values.sum() for profile in found.distributions] == [5000, 5000]
    assert "5,000 cells were found in an image of 1.00 × 0.30 × 0.60 mm" in found.sentence
    assert ("0.18", "mm³ imaged") in found.figures


def test_volumes_that_are_whole_voxels_make_no_spikes() -> None:
    volumes = facts(a_table(20_000)).distributions[0].values
    assert volumes[1:-2].max() < 1.5 * volumes[1:-2].min()


def test_planes_without_cells_are_remarked_and_chance_is_not() -> None:
    table = a_table(3000)
    assert facts(table).remarks == []
    gap = table[(table["Z"] < 400) | (table["Z"] >= 500)]
    (remark,) = facts(gap).remarks
    assert "not one cell between 0.40 and 0.50 mm along z" in remark
    assert facts(a_table(60)).remarks == []
    one_far_away = table[(table["Z"] < 400) | (table.index == table["Z"].idxmax())]
    assert facts(one_far_away).remarks == []


def test_what_is_wrong_with_the_table_is_remarked() -> None:
    (nothing,) = facts(a_table(0)).remarks
    assert nothing.startswith("No cell was found.")
    (cut,) = facts(a_table(100, at_border=np.arange(100) < 20)).remarks
    assert cut.startswith("20 % of the cells touch the border")
    assert facts(a_table(100), prediction=["one", "both"], found=["both", "two"]).remarks == ["one", "both", "two"]


def test_a_table_of_eccs_columns_alone_is_enough() -> None:
    table = a_table(100)[["X", "Y", "Z", "vol"]].assign(deltaI=np.arange(100.0))
    assert [profile.title for profile in facts(table).distributions] == ["volume", "signal − background"]


@pytest.mark.parametrize("cells", [0, 1, 2, 5000])
def test_the_page_is_whole_and_escapes_names(cells: int) -> None:
    evil = "<script>alert(1)</script>\"'&"
    page = brain_page(facts_of(evil, a_table(cells), *receipts(evil, found=[evil])), b"png", {evil: 5})
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert f"{cells:,}" in page
    assert "data:image/png;base64,cG5n" in page
    assert not re.search(r"(src|href)=\"(https?:)?//", page)
    assert "nan" not in page.replace("finance", "")


def test_plots_stay_in_their_frame_and_have_round_numbers() -> None:
    assert doctest.testmod(svg_plots).failed == 0
    for values in (np.zeros(3), np.array([1.0, 0.0, 2.5e7]), np.array([0.01, 0.02, 0.03])):
        svg = plot(Profile("along <z>", "mm", np.linspace(0, 0.37, 4), values, "cells"))
        numbers = [float(n) for n in re.findall(r"[ML,]([\d.]+)", re.search(r'd="([^"]+)"', svg)[1])]  # type: ignore[index]
        assert all(0 <= n <= svg_plots.WIDTH for n in numbers)
        assert "<z>" not in svg


def test_a_page_is_written_beside_the_outputs_whose_receipts_it_reads(tmp_path: Path) -> None:
    probabilities, cells = tmp_path / "mouse_probabilities.h5", tmp_path / "mouse #1_cells.csv"
    for output, receipt in zip((probabilities, cells), receipts(), strict=True):
        output.write_text("12345")
        receipt_path(output).write_text(json.dumps(receipt))
    path = write_brain_page(
        tmp_path / "mouse_report.html", "mouse", a_table(10), probabilities=probabilities, cells=cells
    )
    page = path.read_text()
    assert 'href="mouse%20%231_cells.csv"' in page
    assert "1.5 min to classify, 0.5 min to find the cells" in page
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".csv", ".h5", ".html", ".json", ".json"]


def test_a_browser_shows_the_page_and_fetches_nothing_for_it(chromium: Browser, tmp_path: Path) -> None:
    picture = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==")
    path = tmp_path / "mouse_report.html"
    path.write_text(brain_page(facts(a_table(5000), found=["A plane is empty."]), picture, {"mouse_cells.csv": 5}))
    with chromium.new_context(viewport={"width": 360, "height": 800}) as context:
        page = context.new_page()
        mishaps: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: mishaps.append(message.text))
        page.on("request", lambda request: asked.append(request.url.partition(":")[0]))
        page.goto(path.as_uri())
        assert page.locator(".remarks").inner_text() == "A plane is empty."
        assert page.locator("svg").count() == 5
        assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert mishaps == []
        assert set(asked) <= {"file", "data"}
