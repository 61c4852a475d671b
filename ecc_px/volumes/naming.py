"""What a volume is called: the file's name without its extension, and the path inside a container."""

from __future__ import annotations

from pathlib import Path

HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf")
TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".tf2")
NIFTI_SUFFIXES = (".nii", ".nii.gz")
ZARR_SUFFIXES = (".zarr",)
N5_SUFFIXES = (".n5",)
IMARIS_SUFFIXES = (".ims",)
BIGDATAVIEWER_SUFFIXES = (".xml",)
CZI_SUFFIXES = (".czi",)
LIF_SUFFIXES = (".lif",)

CONTAINER_SUFFIXES = (*HDF5_SUFFIXES, *ZARR_SUFFIXES, *N5_SUFFIXES, *CZI_SUFFIXES, *LIF_SUFFIXES)
"""Files and folders that hold several images, each with a path of its own."""

_KNOWN_SUFFIXES = (
    *CONTAINER_SUFFIXES,
    *TIFF_SUFFIXES,
    *NIFTI_SUFFIXES,
    *IMARIS_SUFFIXES,
    *BIGDATAVIEWER_SUFFIXES,
)

_COMPOUND_PREFIX = ".ome"
"""brain.ome.tif and brain.ome.zarr carry it before their extension."""


def suffix_of(path: Path) -> str:
    """The extension that decides the format, in lower case: ``.nii.gz`` counts as one; '' where unknown."""
    name = path.name.lower()
    return next((suffix for suffix in _KNOWN_SUFFIXES if name.endswith(suffix)), "")


def volume_name(path: Path) -> str:
    """The stem of every output made from a volume.

    >>> [volume_name(Path(p)) for p in ("a/brain.nii.gz", "brain.ome.tif", "brain3.ome.zarr", "brain.v2/")]
    ['brain', 'brain', 'brain3', 'brain.v2']
    """
    if path.name in ("", ".."):
        # `.` and `..` name a folder by where one stands.
        path = path.resolve()
    stem = path.name[: len(path.name) - len(suffix_of(path))]
    is_compound = stem != path.name and stem.lower().endswith(_COMPOUND_PREFIX)
    return stem[: -len(_COMPOUND_PREFIX)] if is_compound else stem


def split_inner_path(path: Path) -> tuple[Path, str | None]:
    """Separate a container from the path inside it: ``brain.h5/volume/data`` → ``brain.h5``, ``volume/data``.

    The container is the innermost existing one of `CONTAINER_SUFFIXES` among the path's parents.
    """
    if path.exists() and suffix_of(path):
        return path, None
    for parent in path.parents:
        if suffix_of(parent) in CONTAINER_SUFFIXES and parent.exists():
            return parent, path.relative_to(parent).as_posix()
    return path, None
