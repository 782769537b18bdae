"""A case as a worse scan would show it: less contrast, more noise, more blur, uneven light (survey 0)."""

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from medseg_lab.data.case import Case
from medseg_lab.data.preprocess import zscore

DIALS = {
    "contrast": "share lost",
    "noise": "standard deviations",
    "blur": "mm",
    "shading": "standard deviations",
}
"""What can be made worse, and the unit of its strength."""


def degraded(
    case: Case,
    *,
    contrast: float = 0.0,
    noise: float = 0.0,
    blur: float = 0.0,
    shading: float = 0.0,
    slice_axis: int = 2,
) -> Case:
    """The case with a worse image, and the labels that it had.

    A function of the case alone: the noise and the direction of the shading come from its id, so a stronger
    noise is the same pattern with more weight. Blur and loss of contrast would also take away the noise that
    the image has, which no scanner does: so much is added that it stays what it was (`noise_of`). In the end
    the image is brought to mean 0 and standard deviation 1 again, as preprocessing does with every image.
    With all strengths at 0 it is the case as it is.

    Args:
        case: preprocessed.
        contrast: the share of the contrast that is lost, 0 to below 1: each grey value moves so far towards
            the mean of the image.
        noise: standard deviation of added Gaussian noise, over that of the image.
        blur: standard deviation of a Gaussian filter, in mm; in pixels, where the spacing is not known.
        shading: the light rises evenly from one side of the slices to the other, from minus this to plus
            this, in standard deviations of the image.
        slice_axis: across which a volume is cut into slices.

    Raises:
        ValueError: for a strength below 0, or a loss of all contrast.
    """
    for name, value in {"contrast": contrast, "noise": noise, "blur": blur, "shading": shading}.items():
        if value < 0 or (name == "contrast" and value >= 1):
            raise ValueError(
                f"{name}: expected 0 or more{', below 1' if name == 'contrast' else ''}, got {value}"
            )
    if not (contrast or noise or blur or shading):
        return case
    rng = np.random.default_rng(list(hashlib.sha256(case.id.encode()).digest()))
    angle = rng.uniform(0, 2 * np.pi)
    channels = []
    for image in case.image.double().numpy(force=True):
        plane = [axis for axis in range(image.ndim) if image.ndim == 2 or axis != slice_axis % 3]
        kept, added = rng.normal(size=image.shape), rng.normal(size=image.shape)
        had, mean = noise_of(image, plane), image.mean()
        worse = ndimage.gaussian_filter(image, [blur / step for step in case.spacing or [1.0] * image.ndim])
        worse = mean + (1 - contrast) * (worse - mean)
        missing = max(0.0, had**2 - noise_of(worse, plane) ** 2) ** 0.5
        worse += missing * kept + noise * image.std() * added
        channels.append(worse + shading * image.std() * _ramp(image.shape, plane, angle))
    worse_image = zscore(torch.from_numpy(np.stack(channels)), case.id).to(case.image)
    return Case(case.id, case.patient, worse_image, case.labels, case.spacing, case.distribution)


def noise_of(image: NDArray, plane: list[int]) -> float:
    """The standard deviation of the noise in an image `(*S)`, as its finest details tell it.

    Of each square of four pixels, the sum along one diagonal less that along the other, over 2: a plane or
    an edge along an axis leaves 0 of it, and white noise its own standard deviation. The median of the
    absolute values bears with whatever else there is (Donoho and Johnstone, Biometrika 1994).

    Args:
        image: of any number of axes.
        plane: the two axes of the squares.
    """
    moved = np.moveaxis(image, plane, (0, 1))
    details = (moved[1:, 1:] + moved[:-1, :-1] - moved[1:, :-1] - moved[:-1, 1:]) / 2
    return float(np.median(np.abs(details)) / 0.6745) if details.size else 0.0


def _ramp(shape: tuple[int, ...], plane: list[int], angle: float) -> NDArray:
    """From -1 at one side to 1 at the other, along an angle in the plane."""
    along = [np.linspace(-1, 1, shape[axis]) for axis in plane]
    rise = np.cos(angle) * along[0][:, None] + np.sin(angle) * along[1][None, :]
    rise = rise / np.abs(rise).max()
    wide = [n if axis in plane else 1 for axis, n in enumerate(shape)]
    found: NDArray = rise.reshape(wide)
    return found
