"""After `warm_up`, another process finds every kernel of the forest on disk."""

from __future__ import annotations

import os
import subprocess
import sys

REPORT = """
import numpy as np
from ecc_px.models import votes, walk
from ecc_px.models.forest import warm_up
warm_up()
for kernel in (votes._count_votes, walk.mean_fractions):
    print(sum(kernel.stats.cache_hits.values()), sum(kernel.stats.cache_misses.values()))
"""


def test_a_second_process_compiles_nothing(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}

    def run():
        done = subprocess.run(
            [sys.executable, "-c", REPORT], env=environment, capture_output=True, text=True, check=True
        )
        return [tuple(map(int, line.split())) for line in done.stdout.splitlines()]

    assert run() == [(0, 2), (0, 1)]
    assert run() == [(2, 0), (1, 0)]
