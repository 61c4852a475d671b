"""Headless pixel classification and cell finding for whole cleared brains."""

__version__ = "0.1.0"
