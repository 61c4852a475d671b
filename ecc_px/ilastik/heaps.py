"""A check of the places where an HDF5 file keeps its texts, because libhdf5 does not survive damage there.

A text of variable length lies in a "global heap", a chain of objects that each say how long they are. libhdf5
(2.0 and older) follows these lengths unchecked: one flipped byte makes it loop for ever or crash, where no
`except` helps. So whoever wants such texts has the heaps walked here first.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

_REFERENCE = np.dtype([("length", "<u4"), ("heap", "<u8"), ("index", "<u4")])
_HEAP_HEADER = struct.Struct("<4sB3xQ")  # "GCOL", version, size of the whole heap
_OBJECT_HEADER = struct.Struct("<HHxxxxQ")  # index (0: the free rest of the heap), reference count, length


def check_texts(path: Path, offset: int, count: int) -> None:
    """Raise `ValueError` unless the `count` variable-length texts stored at `offset` are safe to read."""
    with path.open("rb") as file:
        file.seek(offset)
        references = np.frombuffer(file.read(count * _REFERENCE.itemsize), _REFERENCE)
        if len(references) != count:
            raise ValueError("the file ends within it")
        for heap in np.unique(references["heap"][references["length"] > 0]):
            lengths = _object_lengths(file, int(heap))
            for length, _, index in references[references["heap"] == heap].tolist():
                if length > lengths.get(index, 0):
                    raise ValueError("a text leads nowhere")


def _object_lengths(file: BinaryIO, address: int) -> dict[int, int]:
    """Index → length of the objects of the heap at `address`."""
    file_size = file.seek(0, 2)
    if address + _HEAP_HEADER.size > file_size:
        raise ValueError("its texts lie beyond the end of the file")
    file.seek(address)
    signature, version, size = _HEAP_HEADER.unpack(file.read(_HEAP_HEADER.size))
    if (signature, version) != (b"GCOL", 1) or address + size > file_size:
        raise ValueError("its texts are damaged")
    file.seek(address)
    heap = file.read(size)
    lengths = {}
    at = _HEAP_HEADER.size
    while at + _OBJECT_HEADER.size <= size:
        index, _, length = _OBJECT_HEADER.unpack_from(heap, at)
        if index == 0:
            if at + length != size:
                raise ValueError("its texts are damaged")
            break
        lengths[index] = length
        at += _OBJECT_HEADER.size + -(-length // 8) * 8
    if at > size:
        raise ValueError("its texts are damaged")
    return lengths
