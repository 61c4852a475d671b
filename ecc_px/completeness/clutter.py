"""Names in a folder that are no image's: what systems, file browsers, copies and editors leave lying about."""

from __future__ import annotations

CLUTTER = frozenset(
    {
        # File browsers
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        ".ds_store",
        ".directory",
        # Disks and storage servers
        "@eadir",
        "@recycle",
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "system volume information",
        "lost+found",
        "found.000",
    }
)
"""Names, in lower case, that come and go without anybody's doing."""

_UNFINISHED = ("~", ".tmp", ".temp", ".part", ".partial", ".crdownload", ".filepart")
"""Endings of files that a copy or an editor has not finished."""

_ZARR_METADATA = frozenset({".zarray", ".zattrs", ".zgroup", ".zmetadata"})
"""Hidden files that belong to the image."""


def belongs_to_image(name: str) -> bool:
    """Whether a file's or folder's name is none of those that systems, copies and editors leave lying about."""
    if name in _ZARR_METADATA:
        return True
    lower = name.lower()
    return not (lower.startswith((".", "~$")) or lower in CLUTTER or lower.endswith(_UNFINISHED))
