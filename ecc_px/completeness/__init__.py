"""Is an image all there? What it is recognised by, and everything that is missing or damaged in it."""

from ecc_px.completeness.checking import check_input, open_told
from ecc_px.completeness.findings import CheckReport, Finding
from ecc_px.completeness.fingerprint import fingerprint

__all__ = ["CheckReport", "Finding", "check_input", "fingerprint", "open_told"]
