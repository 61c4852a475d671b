"""Chunks that Blosc packed: whether all of one is there.

Blosc believes the length in a chunk's header, and decodes whatever lies in memory behind a chunk that was cut short.
Other codecs notice.
"""

from __future__ import annotations

HEADER_BYTES = 16
"""Of a packed chunk; the last four are the length of the chunk, header included."""


def stated_length(start: bytes) -> int:
    """Bytes that a packed chunk says it has; `HEADER_BYTES` where not even its header is there.

    Parameters
    ----------
    start : bytes
        The header, or more.
    """
    return int.from_bytes(start[12:HEADER_BYTES], "little") if len(start) >= HEADER_BYTES else HEADER_BYTES


def require_whole(start: bytes, length: int) -> None:
    """Refuse a packed chunk that was cut short.

    Parameters
    ----------
    start : bytes
        The header, or more.
    length : int
        Bytes that are there.

    Raises
    ------
    ValueError
    """
    stated = stated_length(start)
    if length < stated:
        raise ValueError(f"it was cut short: {length:,} of {stated:,} bytes are there")
