"""Where things are on the page: names of brains and files as parts of an address.

Every address is relative to the page's root, so that the page also works below a path of a reverse proxy.
"""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from urllib.parse import quote

from ecc_px.service.page.files import SERVED


def brain_address(brain_id: int) -> str:
    """A brain's page."""
    return f"brains/{brain_id}"


def output_address(path: str) -> str | None:
    """Where a browser gets an output; None for what is not served.

    The bytes of the name are quoted as they are on the disk, whatever their encoding.
    """
    if PurePosixPath(path).suffix.lower() not in SERVED:
        return None
    return f"outputs/{quote(os.fsencode(path))}"
