"""Waiting for a ledger that can't be written at the moment, instead of losing what there is to say."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from ecc_px.errors import LedgerFailed

Result = TypeVar("Result")

log = logging.getLogger(__name__)

PAUSE = 5.0
LONGEST = 3600.0


def patiently(write: Callable[[], Result]) -> Result:
    """What a function returns, called again and again while the ledger can't be written, for an hour.

    Raises
    ------
    LedgerFailed
        An hour was not enough.
    """
    deadline = time.monotonic() + LONGEST
    while True:
        try:
            return write()
        except LedgerFailed as error:
            if time.monotonic() > deadline:
                raise
            log.warning(str(error))
            time.sleep(PAUSE)
