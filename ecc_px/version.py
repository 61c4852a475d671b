"""The version of ecc_px."""

__version__ = "0.1.0"
