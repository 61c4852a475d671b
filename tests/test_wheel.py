"""What people install is whole: templates and style sheets are in the wheel, too."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]

RENDERS = """
import sys
from datetime import UTC, datetime
from pathlib import Path

import ecc_px
from ecc_px.report.page import brain_page
from ecc_px.report.brain_facts import BrainFacts
from ecc_px.service.page import pages
from ecc_px.service.page.views import ServiceView

assert Path(ecc_px.__file__).is_relative_to(sys.argv[1]), ecc_px.__file__
now = datetime(2026, 3, 14, tzinfo=UTC)
assert "Nothing to do" in pages.overview_page(ServiceView(now, "1", "host", now, 60.0))
assert set(pages.static_files()) == {"page.css", "page.js", "icon.svg"}
assert "mouse" in brain_page(BrainFacts("mouse", 0, [], "", [], [], [], []), None, {})
"""


def test_pages_are_made_from_an_installed_wheel(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    environment = os.environ | {"PYTHONPATH": str(installed)}
    subprocess.run([sys.executable, "-c", RENDERS, str(installed)], cwd=tmp_path, env=environment, check=True)
