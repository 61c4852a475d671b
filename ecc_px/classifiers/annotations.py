"""Labels of an image, whatever they come in: a label image, an ITK-SNAP workspace, or an ilastik project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ecc_px.errors import GridMismatch, InvalidLabels, InvalidSetting
from ecc_px.ilastik import Project, read_labels, read_project
from ecc_px.labels import Annotation, Interpretation, read_annotation
from ecc_px.labels.reading import interpreted
from ecc_px.volumes import Volume
from ecc_px.volumes.streaming import Progress


def read_labels_of(
    path: str | Path,
    image: Volume | None,
    interpretation: Interpretation | None = None,
    *,
    lane: str | None = None,
    progress: Progress | None = None,
) -> Annotation:
    """Labels of `image` from any source.

    Parameters
    ----------
    path : path
        What `read_annotation` takes, or an ilastik project (.ilp).
    image : Volume or None
        What the labels were drawn on; only a project's labels can be read without it.
    interpretation : Interpretation, optional
        How values become labels. A project's values have its classes' names.
    lane : str, optional
        Of a project: which lane, by number (from 1), name or nickname. Default: the only one with labels, else the one
        whose image has the name of `image`.
    progress : callable, optional

    Raises
    ------
    GridMismatch, InvalidLabels, InvalidSetting, UnreadableProject, UnreadableVolume
    """
    path = Path(path)
    if path.suffix.lower() == ".ilp":
        return _from_project(read_project(path), image, interpretation or Interpretation(), lane)
    if lane is not None:
        raise InvalidSetting(f"{path}: only an ilastik project has lanes such as {lane!r}.")
    if image is None:
        raise InvalidSetting(f"{path}: say by --image which image the labels were drawn on.")
    return read_annotation(path, image, interpretation, progress=progress)


def read_lanes_of(path: str | Path, interpretation: Interpretation | None = None) -> dict[str, Annotation]:
    """The labels of every lane of an ilastik project, by ``NUMBER: NICKNAME``; a lane may have none."""
    how = interpretation or Interpretation()
    project = read_project(path)
    found = {}
    for number, lane in enumerate(project.lanes):
        annotation = replace(read_labels(project, number), classes=project.classes)
        if annotation.counts():
            annotation = interpreted(annotation, how, _lane_text(project, number))
        found[f"{number + 1}: {lane.nickname}"] = annotation
    return found


def _lane_text(project: Project, number: int) -> str:
    return f"{project.path}, lane {number + 1} ({project.lanes[number].nickname})"


def _from_project(project: Project, image: Volume | None, how: Interpretation, wanted: str | None) -> Annotation:
    if how.layer is not None or how.axes is not None:
        raise InvalidSetting(f"{project.path}: an ilastik project says itself what its axes are, and has no layers.")
    labelled = {number: read_labels(project, number) for number in range(len(project.lanes))}
    number = _lane_number(project, [n for n, drawn in labelled.items() if drawn.counts()], image, wanted)
    annotation = replace(labelled[number], classes=project.classes)
    source = _lane_text(project, number)
    if image is not None:
        extent = (image.frames, *image.shape)
        if annotation.shape not in (None, extent):
            raise GridMismatch(
                f"{source}: its labels are for an image of (t, z, y, x) {annotation.shape}, {image.path} has {extent}. "
                "Pass the image of that lane."
            )
        annotation.check_within(extent)
        annotation = replace(annotation, shape=extent)
    return interpreted(annotation, how, source)


def _lane_number(project: Project, labelled: Sequence[int], image: Volume | None, wanted: str | None) -> int:
    """Index of the lane whose labels are meant."""
    lanes = project.lanes
    listed = ", ".join(f"{number}: {lane.nickname}" for number, lane in enumerate(lanes, start=1)) or "none"
    if wanted is not None:
        for number, lane in enumerate(lanes):
            if wanted in (str(number + 1), lane.name, lane.nickname):
                return number
        raise InvalidSetting(f"{project.path}: there is no lane {wanted!r}, only {listed}.")
    if not labelled:
        raise InvalidLabels(f"{project.path}: no voxel is labelled in any of its lanes ({listed}).")
    if len(labelled) > 1 and image is not None:
        of_image = [n for n in labelled if image.path.name in {file.name for file in lanes[n].files(project.path)}]
        labelled = of_image or labelled
    if len(labelled) > 1:
        raise InvalidSetting(f"{project.path}: several lanes have labels: say which by --lane ({listed}).")
    return labelled[0]
