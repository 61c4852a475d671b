"""What a report of a defect asks for first."""

import subprocess
import sys

from ecc_px.version import __version__


def test_version_is_one_line():
    finished = subprocess.run([sys.executable, "-m", "ecc_px", "--version"], capture_output=True, text=True, check=True)
    assert finished.stdout == f"ecc-px {__version__}\n"
