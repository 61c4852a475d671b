"""Is an output what its receipt says? Its voxels hashed again, some of its blocks computed again; and made again."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ecc_px.classifiers import Classifier, load_classifier
from ecc_px.completeness import fingerprint
from ecc_px.errors import EccPxError, UnreadableReceipt, UnreadableVolume
from ecc_px.pipeline.block_groups import BlockGroup, block_groups
from ecc_px.pipeline.block_plan import BlockPlan
from ecc_px.pipeline.cells import write_cells
from ecc_px.pipeline.predict import predict
from ecc_px.pipeline.receipt import ENDING, read_receipt, sha256_of
from ecc_px.pipeline.settings import PredictionSettings
from ecc_px.pipeline.task import check_task
from ecc_px.pipeline.tissue import Tissue
from ecc_px.volumes import Volume, open_volume
from ecc_px.volumes.blocks import Run
from ecc_px.volumes.dtypes import LABEL_DTYPES
from ecc_px.volumes.streaming import Progress, in_order, usable_processors


@dataclass(frozen=True)
class Verification:
    """What a look at an output found.

    Parameters
    ----------
    output : Path
    groups, blocks : int
        Block groups that were hashed; blocks that were computed again. Of a table, which is hashed as a whole: 0, and
        whether it was made again.
    differing : tuple of str
        Each place whose voxels are not those of the receipt, or not those that come out now.
    """

    output: Path
    groups: int
    blocks: int
    differing: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.differing


def verify(
    output: str | Path,
    *,
    sample: int = 0,
    seed: int | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Hash all voxels of a predicted image again, and compute some of its blocks again; or hash a table again.

    Parameters
    ----------
    output : path
        The image, the table, or its receipt.
    sample : int
        Random blocks to compute again, from the input and the classifier that the receipt names; none where the image
        is already known to be another. A table of cells is made again as a whole, whatever the number.
    seed : int, optional
        Of the choice of blocks.
    jobs : int, optional
    progress : function of (voxels done, voxels in all), optional

    Raises
    ------
    UnreadableReceipt
        There is no receipt with hashes; or blocks are to be computed, and the input or the classifier is gone or
        another.
    UnreadableVolume
        The image can't be opened.
    """
    output = _output(Path(output))
    receipt = read_receipt(output)
    if "groups" not in receipt:
        return _verified_as_a_whole(output, receipt, sample, progress)
    blocks = BlockPlan.from_json(receipt["groups"])
    stated = receipt["groups"]["sha256"]
    with open_volume(output) as image:
        groups = list(block_groups(image.frames, image.shape, blocks.block, blocks.halo, blocks.run_length))
        if len(groups) != len(stated):
            raise UnreadableReceipt(f"{output}: its receipt speaks of another image: make the output again.")
        differing, done = [], 0
        total = sum(group.voxels for group in groups)

        def digest(group: BlockGroup) -> str | None:
            sha256 = hashlib.sha256()
            for block in group.run.blocks:
                try:
                    voxels = image.read(block.core, frame=group.frame)
                except UnreadableVolume:
                    return None
                sha256.update(np.ascontiguousarray(voxels).data)
            return sha256.hexdigest()

        for group, found in in_order(digest, groups, jobs or usable_processors()):
            if found != stated[group.number]:
                what = "can't be read any more" if found is None else "not the voxels that were written"
                differing.append(f"{_place(group)}: {what}")
            done += group.voxels
            if progress is not None:
                progress(done, total)
        chosen = _computed_again(receipt, image, groups, sample, seed) if sample and not differing else ()
    differing += [place for place in chosen if place]
    return Verification(output, len(groups), len(chosen), tuple(differing))


def _verified_as_a_whole(
    output: Path, receipt: Mapping[str, Any], sample: int, progress: Progress | None
) -> Verification:
    """What is no image: its bytes hashed again; a table of cells also made again."""
    if receipt.get("sha256") is None:
        raise UnreadableReceipt(f"{output}: its receipt has no hash of it, so that nobody can verify it.")
    found = sha256_of(output)
    if found is None:
        raise UnreadableReceipt(f"{output}: it is gone, only its receipt is here. ecc-px rerun makes it again.")
    differing = [] if found == receipt["sha256"] else ["not the bytes that were written"]
    again = bool(sample) and _is_cells(receipt)
    if again:
        with ExitStack() as stack, TemporaryDirectory(prefix="ecc-px-verify-") as folder:
            made = _cells_again(receipt, Path(folder), False, progress, stack)
            if sha256_of(made) != receipt["sha256"]:
                differing.append("not the table that comes out now")
    return Verification(output, 0, int(again), tuple(differing))


def rerun(
    receipt: str | Path, out_dir: str | Path, *, overwrite: bool = False, progress: Progress | None = None
) -> Path:
    """Make an output again from its receipt: identical bytes, if the program is the same.

    Parameters
    ----------
    receipt : path
        A receipt of a predicted image or of a table of cells, or the output beside it.
    out_dir : path
    overwrite : bool
    progress : function of (voxels done, voxels in all), optional

    Returns
    -------
    Path
        The new output.

    Raises
    ------
    UnreadableReceipt
        The receipt can't be read, or what it was made from is gone or another.
    """
    content = read_receipt(Path(receipt))
    with ExitStack() as stack:
        if "groups" in content:
            return _predicted_again(content, Path(out_dir), overwrite, progress, stack)
        if _is_cells(content):
            return _cells_again(content, Path(out_dir), overwrite, progress, stack)
    raise UnreadableReceipt(f"{receipt}: only predicted images and tables of cells are made again from their receipts.")


def _predicted_again(
    receipt: Mapping[str, Any], out_dir: Path, overwrite: bool, progress: Progress | None, stack: ExitStack
) -> Path:
    classifier, volume, mask = _sources(receipt, stack)
    blocks = BlockPlan.from_json(receipt["groups"])
    settings = _settings(receipt) | {
        "exports": (receipt["export"],),
        "block": blocks.block,
        "overwrite": overwrite,
        "voxel_um": receipt["voxel_um_zyx"] and tuple(receipt["voxel_um_zyx"]),
    }
    if settings["file_format"] == "ecc":
        del settings["exports"]
    made = predict(classifier, volume, out_dir, mask=mask, progress=progress, run_length=blocks.run_length, **settings)
    return next(iter(made.outputs.values()))


def _cells_again(
    receipt: Mapping[str, Any], out_dir: Path, overwrite: bool, progress: Progress | None, stack: ExitStack
) -> Path:
    if "prediction" in receipt:
        raise UnreadableReceipt(
            f"{receipt['output']}: its probability image was not kept. Make the table again with ecc-px run "
            "--no-probabilities and the settings in its receipt."
        )
    probabilities = _volume(receipt["probabilities"], stack, LABEL_DTYPES)
    raw = _volume(receipt["raw"], stack)
    settings = dict(receipt["settings"])
    settings["voxel_um"] = tuple(receipt["voxel_um_zyx"])
    return write_cells(probabilities, raw, out_dir, overwrite=overwrite, progress=progress, **settings).path


def _computed_again(
    receipt: Mapping[str, Any], image: Volume, groups: Sequence[BlockGroup], sample: int, seed: int | None
) -> Sequence[str | None]:
    """For each of some random blocks, where it differs from what comes out now, or None."""
    with ExitStack() as stack:
        classifier, volume, mask = _sources(receipt, stack)
        settings = PredictionSettings(**_settings(receipt))
        task = check_task(classifier, volume, mask, image.path.parent, settings)
        if receipt.get("tissue"):
            task = task.within(Tissue.from_json(receipt["tissue"]))
        number = [plan.kind for plan in task.plans].index(receipt["export"])
        every = [(group, block) for group in groups for block in group.run.blocks]
        found: list[str | None] = []
        for group, block in random.Random(seed).sample(every, min(sample, len(every))):
            alone = BlockGroup(group.number, group.frame, Run((block,), block.outer))
            (made,) = task.computation.blocks(alone)
            plan = task.plans[number]
            expected = task.computation.empty(plan, block) if made.images is None else made.images[number]
            stored = image.read(block.core, frame=group.frame)
            same = stored.tobytes() == np.ascontiguousarray(expected).tobytes()
            found.append(None if same else f"{_place(alone)}: not the voxels that come out now")
    return found


def _sources(receipt: Mapping[str, Any], stack: ExitStack) -> tuple[Classifier, Volume, Volume | None]:
    """The classifier, the input and the mask of a receipt, if they are still what they were."""
    about = receipt["classifier"]
    try:
        classifier = load_classifier(about["path"], flavour=about["flavour"])
    except EccPxError as error:
        raise UnreadableReceipt(f"{about['path']}: the classifier of the receipt can't be read ({error})") from error
    if classifier.sha256 != about["sha256"]:
        raise UnreadableReceipt(f"{about['path']}: the classifier was changed since then: put the old one back.")
    volume = _volume(receipt["input"], stack)
    return classifier, volume, _volume(receipt["mask"], stack) if receipt.get("mask") else None


def _volume(about: Mapping[str, Any], stack: ExitStack, dtypes: Any = None) -> Volume:
    options = dict(about.get("reading", {})) | ({"dtypes": dtypes} if dtypes else {})
    try:
        volume = stack.enter_context(open_volume(about["path"], **options))
    except EccPxError as error:
        raise UnreadableReceipt(f"{about['path']}: the input of the receipt can't be read ({error})") from error
    stated = about.get("fingerprint")
    if stated and fingerprint(volume.path) != stated:
        raise UnreadableReceipt(f"{volume.path}: the input was changed since then: put the old one back.")
    return volume


def _is_cells(receipt: Mapping[str, Any]) -> bool:
    return {"probabilities", "raw", "settings"} <= receipt.keys()


def _settings(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a receipt that the result depends on."""
    aside = ("jobs", "memory", "overwrite", "restart", "block", "run_length")
    settings = {name: value for name, value in receipt["settings"].items() if name not in aside}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}


def _output(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(ENDING))


def _place(group: BlockGroup) -> str:
    z, y, _ = group.run.blocks[0].core
    first, last = group.run.blocks[0].core[2].start, group.run.blocks[-1].core[2].stop
    frame = f"t {group.frame}, " if group.frame else ""
    return f"{frame}z {z.start}:{z.stop}, y {y.start}:{y.stop}, x {first}:{last}"
