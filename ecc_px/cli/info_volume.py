"""What an image is, for a person: each fact, and where it came from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ecc_px.volumes import Volume, open_volume


def describe_volume(
    path: Path, console: Console, *, axes: str | None = None, level: int = 0, channel: str | None = None
) -> None:
    """Shape, axes, dtype, voxel size, chunks, size, and where each came from."""
    with open_volume(path, axes=axes, level=level, channel=channel) as volume:
        console.print(Text(f"{volume.path}: {volume.name}", style="bold"), soft_wrap=True)
        table = Table("", "", "from")
        for row in facts_about(volume):
            table.add_row(*(Text(cell) for cell in row))
        console.print(table)
        if volume.voxel_um is None:
            console.print(
                Text("! The voxel size is unknown: pass --voxel-um Z Y X (µm) where it is needed.", style="yellow"),
                soft_wrap=True,
            )


def facts_about(volume: Volume) -> list[tuple[str, str, str]]:
    """Name, value and origin of each fact."""
    layout = volume.layout
    origins = layout.origins
    stored = ", ".join(f"{axis} {n:,}" for axis, n in zip(layout.axes, layout.stored_shape, strict=True))
    size = int(np.prod(layout.stored_shape, dtype=np.int64)) * layout.dtype.itemsize
    voxel_size = "unknown"
    if volume.voxel_um is not None:
        voxel_size = " × ".join(f"{um:g}" for um in volume.voxel_um) + " µm (z y x)"
    chunks = "none" if layout.chunks is None else " × ".join(str(n) for n in layout.chunks)
    rows = [
        ("shape", stored, origins.get("shape", "the file")),
        ("axes", f"{layout.axes}, as stored", origins["axes"]),
        ("dtype", str(layout.dtype), origins.get("dtype", "the file")),
        ("voxel size", voxel_size, origins.get("voxel size", "nothing in the file").removeprefix("unknown: ")),
        ("chunks", chunks, "the file"),
        ("size", f"{_bytes_text(size)} of voxels", "shape and dtype"),
    ]
    if layout.channel_names:
        rows.append(("channels", ", ".join(layout.channel_names), origins.get("channel names", "the file")))
    if "channel" in origins:
        rows.insert(0, ("channel", origins["channel"], "given"))
    if "image" in origins:
        rows.insert(0, ("image", origins["image"], "the file"))
    return rows


def _bytes_text(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.2f} MB"
