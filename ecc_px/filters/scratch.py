"""Memory for intermediate images, that a thread fills anew for every block.

Memory that was just asked of the operating system is cleared page by page while it is first written. Without these
arrays, a fifth of the time that features take would go into that.
"""

from __future__ import annotations

import threading
from math import prod

import numpy as np
import numpy.typing as npt

KEPT_BYTES = 64 * 2**20
"""A larger array is given back, because nobody computes many blocks of that size."""


class _Scratch(threading.local):
    """Each thread's arrays, by name; they go when the thread ends."""

    def __init__(self) -> None:
        self.arrays: dict[str, npt.NDArray[np.float32]] = {}


_of_thread = _Scratch()


def scratch(name: str, *shape: int) -> npt.NDArray[np.float32]:
    """An array with any content, C-contiguous; valid until this thread asks for the same name again.

    Examples
    --------
    >>> first = scratch("example", 3, 4)
    >>> np.shares_memory(first, scratch("example", 2, 2))
    True
    """
    size = prod(shape)
    held = _of_thread.arrays.get(name)
    if held is None or held.size < size:
        held = np.empty(size, np.float32)
        if held.nbytes <= KEPT_BYTES:
            _of_thread.arrays[name] = held
    return held[:size].reshape(shape)
