"""`ecc-px convert`: an image into another format."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ecc_px.cli.options import Axes, Channel, Level, Ngff, NgffVersion, Overwrite, VoxelUm


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            help="HDF5 (brain.h5, or brain.h5/volume/data), TIFF, a folder of TIFF planes, NIfTI, OME-Zarr, N5, "
            "Imaris, BigDataViewer (the XML, or its HDF5 or N5), CZI, LIF.",
            show_default=False,
        ),
    ],
    target: Annotated[
        Path,
        typer.Argument(
            help=".h5, .tif, .ome.tif, .nii, .nii.gz, .ome.zarr; no extension: a folder of TIFF planes.",
            show_default=False,
        ),
    ],
    axes: Axes = None,
    level: Level = 0,
    channel: Channel = None,
    voxel_um: VoxelUm = None,
    chunks: Annotated[
        tuple[int, int, int] | None,
        typer.Option(metavar="Z Y X", help="Chunks of the target, z y x. Default: 64 64 64 (OME-Zarr: 128)."),
    ] = None,
    compression: Annotated[
        str | None,
        typer.Option(help="HDF5: gzip (default), lzf, none. OME-Zarr: zstd (default), gzip, none."),
    ] = None,
    ngff: Ngff = NgffVersion.v04,
    overwrite: Overwrite = False,
) -> None:
    """Copy an image into another format, value for value, with its voxel size."""
    from ecc_px.cli.progress import voxel_progress
    from ecc_px.volumes import convert as convert_volume

    with voxel_progress("convert") as progress:
        warning = convert_volume(
            source,
            target,
            axes=axes,
            level=level,
            channel=channel,
            voxel_um=voxel_um,
            chunks=chunks,
            compression=compression,
            ngff_version=ngff.value,
            overwrite=overwrite,
            progress=progress,
        )
    if warning is not None:
        print(f"Warning: {warning}", file=sys.stderr)
    print(target)
