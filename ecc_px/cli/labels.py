"""`ecc-px labels`: annotations to and from ITK-SNAP, ilastik and napari."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecc_px.cli.batch import warn
from ecc_px.cli.options import Overwrite, VoxelUm
from ecc_px.errors import InvalidSetting

if TYPE_CHECKING:
    from ecc_px.labels import Annotation, Interpretation
    from ecc_px.volumes import Volume

app = typer.Typer(no_args_is_help=True, help="Annotations: to and from ITK-SNAP, ilastik and napari.")

Source = Annotated[
    Path,
    typer.Argument(
        metavar="LABELS",
        help="NIfTI, TIFF, HDF5 or OME-Zarr with class numbers; an ITK-SNAP workspace (.itksnap); a project (.ilp).",
        show_default=False,
    ),
]
Image = Annotated[
    Path | None,
    typer.Option("--image", help="The image that was annotated; an .ilp can do without.", show_default=False),
]
Mapping_ = Annotated[
    str | None,
    typer.Option(
        "--map",
        metavar="NAME=VALUE,…",
        help="Which value in the file is which class. Without --class, the classes become 1, 2, 3 … in this order.",
        show_default=False,
    ),
]
Descriptions = Annotated[
    Path | None,
    typer.Option(
        "--names", help="Label descriptions (.label, .txt) or a workspace that name the values.", show_default=False
    ),
]
Classes = Annotated[
    list[str] | None,
    typer.Option(
        "--class",
        metavar="NAME[:ROLE]",
        help="Repeatable: the classes 1, 2, 3 … that the labels are for. Roles: object, false_signal, background.",
        show_default=False,
    ),
]
LayerName = Annotated[
    str | None, typer.Option("--layer", help="Of a workspace: which segmentation.", show_default=False)
]
LaneName = Annotated[
    str | None, typer.Option("--lane", help="Of an .ilp: which lane, by number from 1 or name.", show_default=False)
]
Axes = Annotated[
    str | None,
    typer.Option("--axes", help="What the label file's dimensions are: letters of t, z, y, x, c.", show_default=False),
]
AssumeSameGrid = Annotated[
    bool, typer.Option("--assume-same-grid", help="Believe the shape alone, whatever a header says of the place.")
]
DropUnmapped = Annotated[bool, typer.Option("--drop-unmapped", help="Leave out values without a class.")]


@app.command()
def template(
    image: Annotated[Path, typer.Argument(help="The image to annotate.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to make.", show_default=False)],
    crop: Annotated[
        str | None,
        typer.Option(
            metavar="Z0:Z1,Y0:Y1,X0:X1", help="Part of the image, in voxels. Default: all.", show_default=False
        ),
    ] = None,
    classes: Classes = None,
    channel: Annotated[
        int | None, typer.Option(help="Which channel to show, from 0, where there are several.", show_default=False)
    ] = None,
    voxel_um: VoxelUm = None,
    max_gb: Annotated[float, typer.Option(help="Refuse to write a larger image, in GB.")] = 2.0,
    uncompressed: Annotated[bool, typer.Option("--uncompressed", help="Write .nii instead of .nii.gz.")] = False,
) -> None:
    """Make a folder to annotate in ITK-SNAP: image, empty labels, class names, and a workspace that opens them."""
    from ecc_px.cli.progress import voxel_progress
    from ecc_px.labels.classes import DEFAULT_CLASSES, new_classes
    from ecc_px.labels.template import parse_crop, write_template
    from ecc_px.volumes import open_volume

    with open_volume(image) as volume, voxel_progress("template") as progress:
        written = write_template(
            volume,
            output,
            new_classes(classes or DEFAULT_CLASSES),
            region=None if crop is None else parse_crop(crop, volume.shape),
            channel=channel,
            voxel_um=voxel_um,
            max_gb=max_gb,
            compress=not uncompressed,
            progress=progress,
        )
    warn(written.notes)
    typer.echo(f"{written.workspace}: open it in ITK-SNAP, paint, save the segmentation as {written.labels.name}")


@app.command()
def check(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="LABELS…", help="Label files, workspaces or projects (.ilp).", show_default=False),
    ],
    images: Annotated[
        list[Path] | None,
        typer.Option("--image", help="The image of each label file, in the same order.", show_default=False),
    ] = None,
    mapping: Mapping_ = None,
    descriptions: Descriptions = None,
    classes: Classes = None,
    layer: LayerName = None,
    axes: Axes = None,
    assume_same_grid: AssumeSameGrid = False,
    drop_unmapped: DropUnmapped = False,
    min_voxels: Annotated[int, typer.Option(min=1, help="Warn of a class with fewer voxels.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say whether a classifier can be trained on labels: voxels of each class, where they lie, what is missing.

    Ends with exit code 1 if training is impossible.
    """
    from ecc_px.cli.labels_report import Checked, as_text, json_text
    from ecc_px.labels.spread import judge, spread_of

    how = _interpretation(mapping, descriptions, classes, layer, axes, assume_same_grid, drop_unmapped)
    checked = [
        Checked(name, annotation, spread_of(annotation)) for name, annotation in _each_annotation(sources, images, how)
    ]
    known = next((entry.annotation.classes for entry in checked if entry.annotation.classes), how.classes)
    verdict = judge(
        known,
        {entry.name: entry.spreads for entry in checked},
        all_needed=bool(classes) or any(_is_project(source) for source in sources),
        few=min_voxels,
    )
    typer.echo(json_text(checked, known, verdict) if as_json else as_text(checked, known, verdict))
    if verdict.problems:
        raise typer.Exit(1)


@app.command("import")
def import_(
    source: Source,
    output: Annotated[Path, typer.Option("--output", "-o", help="HDF5 file (.h5) to write.", show_default=False)],
    image: Image = None,
    mapping: Mapping_ = None,
    descriptions: Descriptions = None,
    classes: Classes = None,
    layer: LayerName = None,
    lane: LaneName = None,
    axes: Axes = None,
    assume_same_grid: AssumeSameGrid = False,
    drop_unmapped: DropUnmapped = False,
    overwrite: Overwrite = False,
) -> None:
    """Bring labels onto the whole image's grid, as HDF5 for ilastik's Labels > Import and for training."""
    from ecc_px.labels.writing import import_warning
    from ecc_px.volumes.naming import HDF5_SUFFIXES, suffix_of

    if suffix_of(output) not in HDF5_SUFFIXES:
        raise InvalidSetting(f"{output}: import writes HDF5 (.h5). Use `ecc-px labels export` for other formats.")
    how = _interpretation(mapping, descriptions, classes, layer, axes, assume_same_grid, drop_unmapped)
    annotation = _read_and_write(source, output, image, how, lane, overwrite)
    caution = import_warning(annotation)
    warn([caution] if caution else [])


@app.command()
def export(
    source: Source,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help=".h5, .nii, .nii.gz, .tif, .ome.tif, .ome.zarr; no extension: a folder of TIFF planes.",
            show_default=False,
        ),
    ],
    image: Image = None,
    mapping: Mapping_ = None,
    descriptions: Descriptions = None,
    classes: Classes = None,
    layer: LayerName = None,
    lane: LaneName = None,
    axes: Axes = None,
    assume_same_grid: AssumeSameGrid = False,
    drop_unmapped: DropUnmapped = False,
    overwrite: Overwrite = False,
) -> None:
    """Write labels in another format, as an image of the size of the whole image."""
    how = _interpretation(mapping, descriptions, classes, layer, axes, assume_same_grid, drop_unmapped)
    _read_and_write(source, output, image, how, lane, overwrite)


def _interpretation(
    mapping: str | None,
    descriptions: Path | None,
    classes: list[str] | None,
    layer: str | None,
    axes: str | None,
    assume_same_grid: bool,
    drop_unmapped: bool,
) -> Interpretation:
    from ecc_px.labels import Interpretation, new_classes, parse_mapping

    return Interpretation(
        classes=new_classes(classes) if classes else (),
        mapping=None if mapping is None else parse_mapping(mapping),
        descriptions=descriptions,
        layer=layer,
        axes=axes,
        assume_same_grid=assume_same_grid,
        drop_unmapped=drop_unmapped,
    )


def _each_annotation(
    sources: list[Path], images: list[Path] | None, how: Interpretation
) -> Iterator[tuple[str, Annotation]]:
    """The labels of each file, and of each lane of a project, with a name for it."""
    from ecc_px.classifiers.annotations import read_lanes_of

    files = [source for source in sources if not _is_project(source)]
    if len(files) != len(images or ()):
        raise InvalidSetting(
            f"{len(files)} label files and {len(images or ())} images: give one --image for each, in the same order."
        )
    image_of: Mapping[Path, Path] = dict(zip(files, images or (), strict=True))
    for source in sources:
        if source in image_of:
            found = {str(source): _read(source, image_of[source], how, None)}
        else:
            found = {f"{source}, lane {lane}": drawn for lane, drawn in read_lanes_of(source, how).items()}
        yield from found.items()
        # The first file that names its classes numbers them for all: the same name is the same class.
        how = replace(how, classes=how.classes or next((a.classes for a in found.values() if a.classes), ()))


def _is_project(source: Path) -> bool:
    return source.suffix.lower() == ".ilp"


def _read(source: Path, image: Path | None, how: Interpretation, lane: str | None) -> Annotation:
    with _opened(image) as volume:
        return _read_labels(source, volume, how, lane)


def _read_labels(source: Path, volume: Volume | None, how: Interpretation, lane: str | None) -> Annotation:
    from ecc_px.classifiers.annotations import read_labels_of
    from ecc_px.cli.progress import voxel_progress

    with voxel_progress("read labels") as progress:
        annotation = read_labels_of(source, volume, how, lane=lane, progress=progress)
    for note in annotation.notes:
        typer.echo(f"Note: {note}", err=True)
    return annotation


@contextmanager
def _opened(image: Path | None) -> Iterator[Volume | None]:
    from ecc_px.volumes import open_volume

    with nullcontext() if image is None else open_volume(image) as volume:
        yield volume


def _read_and_write(
    source: Path, output: Path, image: Path | None, how: Interpretation, lane: str | None, overwrite: bool
) -> Annotation:
    from ecc_px.labels.writing import write_annotation

    with _opened(image) as volume:
        annotation = _read_labels(source, volume, how, lane)
        write_annotation(output, annotation, volume, overwrite=overwrite)
    names = {c.label: f" {c.name}" for c in annotation.classes}
    counts = ", ".join(f"{label}{names.get(label, '')}: {n:,}" for label, n in annotation.counts().items())
    typer.echo(f"{output}: labelled voxels {counts}")
    return annotation
