"""Block groups: the pieces that a prediction is made of, each read and computed by one thread."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.classifiers import Classifier
from ecc_px.pipeline.darkness import seen_bright
from ecc_px.pipeline.exports import ExportPlan
from ecc_px.pipeline.journal import GroupFacts, Journal
from ecc_px.pipeline.tissue import Tissue
from ecc_px.volumes import Volume, VolumeWriter
from ecc_px.volumes.blocks import Block, Run, Shape, runs_of, shape_of
from ecc_px.volumes.partial import write_errors_named
from ecc_px.volumes.slabs import Slabs


@dataclass(frozen=True)
class BlockGroup:
    """Blocks that follow each other along x in one frame. A crash takes away no more than the groups at work."""

    number: int
    frame: int
    run: Run

    @property
    def voxels(self) -> int:
        """Of its cores."""
        return sum(prod(shape_of(block.core)) for block in self.run.blocks)


def block_groups(frames: int, shape: Shape, block: Shape, halo: Shape, run_length: int) -> Iterator[BlockGroup]:
    """All of a volume, in the order in which its groups are worked through and stored."""
    pieces = product(range(frames), runs_of(shape, block, halo, run_length))
    for number, (frame, run) in enumerate(pieces):
        yield BlockGroup(number, frame, run)


@dataclass(frozen=True)
class ComputedBlock:
    """A block's voxels, or the reason why they are all 0.

    Parameters
    ----------
    block : Block
    images : tuple of (c, z, y, x), or None
        Of each export; None where nothing was computed.
    without_votes, dark : int
        Voxels that are no numbers, or near one; voxels left out by `skip_below`.
    """

    block: Block
    images: tuple[npt.NDArray[Any], ...] | None
    without_votes: int = 0
    dark: int = 0


@dataclass(frozen=True)
class Computation:
    """From raw voxels to every export of a block: the same for whoever asks, whenever, on any thread.

    Parameters
    ----------
    classifier : Classifier
    volume : Volume
    mask : Volume or None
        Only where one of its channels is above 0 are voxels computed.
    plans : tuple of ExportPlan
    skip_below : float, optional
        Voxels that are darker than this, with all that their features reach, are 0 in every export.
    tissue : Tissue, optional
        Only in its cells are voxels computed.
    least_votes : int, optional
        Voxels with fewer votes for the only class that is asked for have a probability of 0.
    """

    classifier: Classifier
    volume: Volume
    mask: Volume | None
    plans: tuple[ExportPlan, ...]
    skip_below: float | None = None
    tissue: Tissue | None = None
    least_votes: int | None = None

    def blocks(self, group: BlockGroup, slabs: Slabs | None = None) -> Iterator[ComputedBlock]:
        """The blocks of a group, one after the other; `slabs` of the volume spare reading what other groups read."""
        run, frame = group.run, group.frame
        masks = [self._inside(block, frame) for block in run.blocks]
        image = None
        if any(inside is None or inside.any() for inside in masks):
            source = self.volume if slabs is None else slabs
            image = source.read(run.outer, frame=frame)
        for block, inside in zip(run.blocks, masks, strict=True):
            if image is None or (inside is not None and not inside.any()):
                yield ComputedBlock(block, None)
            else:
                begin = block.outer[2].start - run.outer[2].start
                width = block.outer[2].stop - block.outer[2].start
                yield self._lit(block, image[..., begin : begin + width], inside)

    def empty(self, plan: ExportPlan, block: Block) -> npt.NDArray[Any]:
        """What a block that was not computed holds."""
        return np.zeros((len(plan.channel_names), *shape_of(block.core)), plan.dtype)

    def _inside(self, block: Block, frame: int) -> npt.NDArray[np.bool_] | None:
        """Which voxels of a block mask and tissue keep; None where nothing speaks against any."""
        tissue = None if self.tissue is None else self.tissue.inside(block.core, frame)
        if self.mask is None or (tissue is not None and not tissue.any()):
            return tissue
        inside = np.any(self.mask.read(block.core, frame=frame) > 0, axis=0)
        return inside if tissue is None else inside & tissue

    def _lit(self, block: Block, image: npt.NDArray[Any], inside: npt.NDArray[np.bool_] | None) -> ComputedBlock:
        """The block without what is dark."""
        if self.skip_below is None:
            return self._computed(block, image, inside)
        halo = self.classifier.features.halo(flat=self.volume.shape[0] == 1)
        seen = seen_bright(image, block, halo, self.skip_below)
        if seen is None:
            return self._computed(block, image, inside)
        dark = int(np.count_nonzero(~seen if inside is None else inside & ~seen))
        kept = seen if inside is None else inside & seen
        made = self._computed(block, image, kept) if kept.any() else ComputedBlock(block, None)
        return replace(made, dark=dark)

    def _computed(self, block: Block, image: npt.NDArray[Any], inside: npt.NDArray[np.bool_] | None) -> ComputedBlock:
        kinds = {plan.kind for plan in self.plans}
        features = probabilities = None
        if "features" in kinds:
            features = self.classifier.features.compute(image, block, self.volume.shape)
            if kinds != {"features"}:
                probabilities = self.classifier.probabilities(features)
        elif self.least_votes is not None:
            channel = self.plans[0].channels[0]
            probabilities = self.classifier.apply_to_one_class(
                image, block, self.volume.shape, channel, self.least_votes
            )
        else:
            probabilities = self.classifier.apply(image, block, self.volume.shape)
        without_votes = 0
        if probabilities is not None and self.volume.dtype.kind == "f":
            voteless = ~probabilities.any(axis=0)
            without_votes = int(np.count_nonzero(voteless if inside is None else voteless & inside))
        images = tuple(plan.image(features, probabilities, inside) for plan in self.plans)
        return ComputedBlock(block, images, without_votes)


@dataclass(frozen=True)
class KeptComputation:
    """Computes a block group and keeps it in the journal. Called from many threads at once."""

    computation: Computation
    encoders: tuple[VolumeWriter, ...]
    journal: Journal
    slabs: Slabs

    def __call__(self, group: BlockGroup) -> GroupFacts:
        """Process a group; when this returns, it is on the disk."""
        pieces: list[list[bytes]] = [[] for _ in self.encoders]
        digests = GroupDigests(self.computation)
        computed = without_votes = dark = 0
        for made in self.computation.blocks(group, self.slabs):
            digests.update(made)
            dark += made.dark
            if made.images is None:
                continue
            computed += prod(shape_of(made.block.core))
            without_votes += made.without_votes
            for of_export, encoder, image in zip(pieces, self.encoders, made.images, strict=True):
                of_export.append(encoder.encode(made.block.core, image, frame=group.frame))
        facts = GroupFacts(group.voxels, computed, without_votes, dark, digests.hex())
        with write_errors_named(self.encoders[0].path):
            self.journal.append(group.number, facts, pieces)
        return facts


class GroupDigests:
    """SHA-256 of a group's decoded voxels, for each export: block after block, each (c, z, y, x) in C order."""

    def __init__(self, computation: Computation) -> None:
        self._computation = computation
        self._digests = [hashlib.sha256() for _ in computation.plans]

    def update(self, made: ComputedBlock) -> None:
        """Take in the next block."""
        for number, (plan, digest) in enumerate(zip(self._computation.plans, self._digests, strict=True)):
            image = self._computation.empty(plan, made.block) if made.images is None else made.images[number]
            digest.update(np.ascontiguousarray(image).data)

    def hex(self) -> tuple[str, ...]:
        """The digests so far."""
        return tuple(digest.hexdigest() for digest in self._digests)
