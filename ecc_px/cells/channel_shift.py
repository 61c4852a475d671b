"""The shift between two channels of one brain: given by hand, or estimated from crops of both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from ecc_px.errors import GridMismatch, InvalidSetting
from ecc_px.volumes import Volume, VoxelUm
from ecc_px.volumes.blocks import Region, Shape

DEFAULT_CROP: Shape = (64, 384, 384)
"""Voxels from which a shift is estimated where nobody names a crop."""

CLEAR_PEAK = 10.0
"""A peak of the phase correlation below this many standard deviations may be noise (measured: up to 8)."""

_NONE = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Shift:
    """What to add to the positions of b to lay it on a, in µm z, y, x.

    Parameters
    ----------
    left, right : (z, y, x) µm
        For cells left of the midline (X below it) and for the others; without a midline `left` holds everywhere.
    midline_um : float, optional
        X of the midline in µm.
    """

    left: VoxelUm = _NONE
    right: VoxelUm = _NONE
    midline_um: float | None = None

    def applied(self, xyz_um: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(n, 3) positions X, Y, Z of b → where they lie in a."""
        left, right = (np.array(side[::-1]) for side in (self.left, self.right))
        if self.midline_um is None:
            return xyz_um + left
        return xyz_um + np.where(xyz_um[:, :1] < self.midline_um, left, right)


@dataclass(frozen=True)
class Estimate:
    """A shift estimated by phase correlation.

    Parameters
    ----------
    voxels : (z, y, x)
        To add to the positions of b, with fraction.
    sharpness : float
        Height of the peak, in standard deviations of the correlation.
    """

    voxels: VoxelUm
    sharpness: float


def phase_correlation(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> Estimate:
    """The shift that lays crop b on crop a, both (z, y, x) of one shape.

    The spectrum's amplitudes are set to 1, so that a stain's brightness and gradients don't count, only where edges
    lie. The peak's place between voxels is the centroid of the correlation around it.
    """
    spectra = [fft.rfftn((crop - crop.mean()) * _window(crop.shape)) for crop in (a, b)]
    cross = spectra[0] * np.conj(spectra[1])
    amplitude = np.abs(cross)
    # Above a quarter of the sampling rate there is little but noise in light-sheet data.
    frequencies = np.ix_(*(fft.fftfreq(n) for n in a.shape[:-1]), fft.rfftfreq(a.shape[-1]))
    smooth = np.exp(-0.5 * (sum(f**2 for f in frequencies) / 0.15**2))
    cross = np.divide(cross, amplitude, out=np.zeros_like(cross), where=amplitude > 1e-9 * amplitude.max()) * smooth
    correlation = fft.irfftn(cross, a.shape)
    spread = correlation.std()
    peak = np.unravel_index(correlation.argmax(), a.shape)
    sharpness = float(correlation[peak] / spread) if spread > 0 else 0.0
    shift = []
    for axis, (at, n) in enumerate(zip(peak, a.shape, strict=True)):
        fraction = 0.0
        if n > 2:
            before, here, after = (
                max(float(correlation[tuple((i + d) % n if k == axis else i for k, i in enumerate(peak))]), 1e-300)
                for d in (-1, 0, 1)
            )
            # The smoothed peak is a Gaussian, whose logarithm is a parabola.
            below, above = np.log(before / here), np.log(after / here)
            fraction = float(np.clip(0.5 * (below - above) / (below + above), -0.5, 0.5)) if below + above else 0.0
        shift.append((int(at) + n // 2) % n - n // 2 + fraction)
    return Estimate((shift[0], shift[1], shift[2]), sharpness)


def estimate_shift(a: Volume, b: Volume, region: Region, *, channel: int = 0) -> Estimate:
    """The shift that lays volume b on volume a, from one region of both.

    Raises
    ------
    GridMismatch
        The volumes have different shapes.
    InvalidSetting
        The two crops have nothing in common that tells a shift.
    """
    if a.shape != b.shape:
        raise GridMismatch(f"{b.path}: its shape (z, y, x) is {b.shape}, that of {a.path} is {a.shape}.")
    crops = [volume.read(region, channel=channel)[0].astype(np.float64) for volume in (a, b)]
    estimate = phase_correlation(*crops)
    if not estimate.sharpness > CLEAR_PEAK:
        box = ",".join(f"{along.start}:{along.stop}" for along in region)
        raise InvalidSetting(
            f"--shift-from: the crops {box} of {a.path} and {b.path} have no structure in common that tells a shift. "
            "Pass --crop with a place where both show the same, such as autofluorescent tissue with vessels."
        )
    return estimate


def middle(shape: Shape, columns: slice | None = None) -> Region:
    """A region of at most `DEFAULT_CROP` in the middle of a volume, or of its `columns` along x."""
    box = [slice(0, shape[0]), slice(0, shape[1]), columns or slice(0, shape[2])]
    sizes = [min(wanted, s.stop - s.start) for wanted, s in zip(DEFAULT_CROP, box, strict=True)]
    starts = [(s.start + s.stop - size) // 2 for s, size in zip(box, sizes, strict=True)]
    z, y, x = (slice(start, start + size) for start, size in zip(starts, sizes, strict=True))
    return z, y, x


def _window(shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """A Hann window: the crop's borders, which differ between shifted images, fade out."""
    z, y, x = (np.hanning(n + 2)[1:-1] for n in shape)
    return z[:, None, None] * y[:, None] * x
