"""Options that several commands share, so that they mean and say the same everywhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ecc_px.errors import InvalidSetting

VoxelUm = Annotated[
    tuple[float, float, float] | None,
    typer.Option(
        "--voxel-um",
        metavar="Z Y X",
        help="Voxel size in µm: three numbers, z y x, or one for all three. Default: what the files say.",
    ),
]
OutputFolder = Annotated[Path, typer.Option("--output", "-o", help="Folder for the results; made if missing.")]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, help="Threads. Default: one for each processor.", show_default=False),
]


class WorkersName(StrEnum):
    """What the blocks of a volume are worked on by."""

    threads = "threads"
    processes = "processes"


Executor = Annotated[
    WorkersName,
    typer.Option("--executor", help="Work on threads, or in as many processes. The result is the same to the byte."),
]
Memory = Annotated[
    str | None,
    typer.Option(
        metavar="4GB",
        help="Most memory to take: smaller blocks and fewer threads keep to it. Default: most of what is free.",
        show_default=False,
    ),
]


def memory_of(text: str | None) -> int | None:
    """The bytes that `--memory` says."""
    from ecc_px.pipeline.memory import parse_bytes

    return None if text is None else parse_bytes(text)


SkipBelow = Annotated[
    float | None,
    typer.Option(
        metavar="V",
        help="Leave out voxels if everything within reach of their features is below V; results are 0 there.",
        show_default=False,
    ),
]


class TissueSearch(StrEnum):
    """How the brain is found in its volume."""

    auto = "auto"


TissueOption = Annotated[
    TissueSearch | None,
    typer.Option(
        "--tissue",
        help="auto: look for the brain first, and leave out what is certainly empty around it; results are 0 there.",
        show_default=False,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")]
Restart = Annotated[
    bool,
    typer.Option("--restart", help="Begin anew, instead of going on where an unfinished run of the same output was."),
]
AllowMissing = Annotated[
    bool,
    typer.Option("--allow-missing", help="Take missing planes as empty (0), and say so, instead of refusing them."),
]
NoCheck = Annotated[
    bool,
    typer.Option(
        "--no-check",
        help="Don't read the whole input first to see if it is complete. Missing or cut planes are refused anyway.",
    ),
]
Model = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL",
        help="A trained ilastik project (.ilp), a classifier file (.pxc), or the name of a saved classifier.",
        show_default=False,
    ),
]
Inputs = Annotated[
    list[Path],
    typer.Argument(
        metavar="INPUT…",
        help="Volumes: HDF5 (a dataset's path may follow the file name), TIFF, folder of TIFF planes, NIfTI, OME-Zarr, "
        "N5, Imaris, BigDataViewer, CZI, LIF.",
        show_default=False,
    ),
]


class FlavourName(StrEnum):
    """Whose structure tensor."""

    ilastik = "ilastik"
    vigra = "vigra"


Flavour = Annotated[
    FlavourName,
    typer.Option("--flavour", help="vigra: for projects with a structure tensor trained before about ilastik 1.2."),
]
Mask = Annotated[
    Path | None,
    typer.Option(
        "--mask",
        help="Volume on the same grid: ABOVE 0 is KEPT, elsewhere results are 0.",
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        help="Voxels whose probability is above it, strictly, belong to objects (0.7: 71 of 100 votes). Default: 0.5.",
        show_default=False,
    ),
]


class SplitMethod(StrEnum):
    """How touching cells are parted."""

    auto = "auto"
    none = "none"
    maxima = "maxima"
    distance = "distance"


Split = Annotated[
    SplitMethod | None,
    typer.Option(
        help="Part touching cells by blobs of brightness and probability (auto), by local maxima of intensity as ecc, "
        "by distance to the background, or not at all. Default: auto; of labels, and like ecc: none.",
        show_default=False,
    ),
]


class Dtype(StrEnum):
    """Types of probabilities."""

    float32 = "float32"
    uint8 = "uint8"
    uint16 = "uint16"


ProbabilityType = Annotated[
    Dtype,
    typer.Option("--dtype", help="Type of probabilities; uint8 and uint16 are rounded, 255 or 65535 is certain."),
]


class FileFormat(StrEnum):
    """Formats of predicted images."""

    hdf5 = "hdf5"
    ome_zarr = "ome-zarr"
    ome_zarr_05 = "ome-zarr-0.5"
    tiff = "tiff"
    ecc = "ecc"


OutputFormat = Annotated[
    FileFormat,
    typer.Option(
        "--format",
        help="ome-zarr: version 0.4, with a pyramid. ecc: label 1 alone, uint8, dataset 'probability', as ecc's "
        "CellFinder reads it.",
    ),
]


class CompressionMethod(StrEnum):
    """How predicted images are compressed."""

    gzip = "gzip"
    lzf = "lzf"
    zstd = "zstd"
    none = "none"


Compression = Annotated[
    CompressionMethod | None,
    typer.Option(
        help="Default: the format's own: gzip for HDF5 (or lzf, none), zstd for OME-Zarr (or gzip, none).",
        show_default=False,
    ),
]
DiameterUm = Annotated[
    str,
    typer.Option(metavar="auto|D", help="Diameter of a cell in µm, for splitting. auto: learnt from the volume."),
]


def diameter_of(text: str) -> float | None:
    """The diameter that an option says; None for auto."""
    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError:
        raise InvalidSetting(f"--diameter-um {text}: a length in µm is needed, or auto.") from None


MinVolume = Annotated[
    int | None,
    typer.Option(min=0, help="Smallest cell, in voxels, itself included. Default: no limit.", show_default=False),
]
MaxVolume = Annotated[
    int | None,
    typer.Option(min=1, help="Largest cell, in voxels, itself included. Default: no limit.", show_default=False),
]
ObjectClass = Annotated[
    str | None,
    typer.Option(
        "--class", help="The class that is the cells, by label or name. Default: label 1.", show_default=False
    ),
]
Axes = Annotated[
    str | None,
    typer.Option(
        "--axes",
        metavar="ZYX",
        help="What each dimension on disk is: t, z, y, x or c. Default: what the file says.",
        show_default=False,
    ),
]
Level = Annotated[int, typer.Option("--level", min=0, help="Resolution level of a pyramid; 0 is the finest.")]
Channel = Annotated[
    str | None,
    typer.Option(
        "--channel",
        metavar="N|NAME",
        help="Read this channel only, by its number from 0 or its name. Default: all.",
        show_default=False,
    ),
]


class NgffVersion(StrEnum):
    """Versions of OME-Zarr that we write."""

    v04 = "0.4"
    v05 = "0.5"


Ngff = Annotated[
    NgffVersion,
    typer.Option("--ngff", help="Version of OME-Zarr: 0.4 (ilastik, BigDataViewer, napari) or 0.5 (newer programs)."),
]
