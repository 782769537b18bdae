"""One virtual subject: a pure function of (seed, index, settings)."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from medseg_lab.data.virtual import lesion, raters
from medseg_lab.data.virtual.deform import deformation
from medseg_lab.data.virtual.place import centres, coarse, pushed
from medseg_lab.data.virtual.scan import CHANNELS, contrasts, scan
from medseg_lab.data.virtual.settings import LesionSettings, VirtualSettings
from medseg_lab.data.virtual.templates import anatomy, sharpen

CLASSES = ("background", "CSF", "grey matter", "white matter")

TUMOURS, RATERS, SCANS = 1, 2, 3
"""Streams of random numbers besides the first, so that no part changes another one's draws."""


@dataclass(frozen=True)
class Subject:
    """A virtual subject.

    Attributes:
        image: `(C, *S)`, float32, in about [0, 1.5]: a T1 scan, or `scan.CHANNELS` with tumours.
        labels: `(R, *S)`, uint8: each rater's, or the one true label.
        shares: `(K, *S)`, float32: how much of each voxel each class takes up; they sum to 1.
        distribution: `(K, *S)`, float32: the raters' probability of each class; None without raters.
    """

    image: Tensor
    labels: Tensor
    shares: Tensor
    distribution: Tensor | None = None


def subject(seed: int, index: int, settings: VirtualSettings | None = None) -> Subject:
    """Subject `index` of the population `seed`.

    It is the ICBM152 tissue maps under a smooth invertible deformation, with local changes of the tissue
    borders; its label is the class with the largest share; its image a simulated scan of those shares.
    Labels are positions in `classes(settings)`; spacing is `settings.resolution` mm along each axis. With
    tumours or raters, or another scanner, it is the same person: each part draws its own numbers.
    """
    settings = settings or VirtualSettings()
    rng = stream(seed, index)
    maps = anatomy(settings.resolution)
    # No name is given to the grid, so that it is freed at once: at 1 mm it is as large as three scans.
    warped = F.grid_sample(
        maps[None], deformation(rng, tuple(maps.shape[1:]), settings), align_corners=False
    )[0]
    if settings.lesion is None:
        tissue = sharpen(warped[:3], rng, settings)
        image = scan(tissue, warped[3], rng, settings)[None]
        shares = torch.cat([(1 - tissue.sum(0, keepdim=True)).clamp_(min=0), tissue])
    else:
        image, shares = _with_tumours(warped, rng, seed, index, settings, settings.lesion)
    if settings.raters is None:
        return Subject(image, shares.max(0, keepdim=True).indices.to(torch.uint8), shares)
    known = raters.distribution(shares, settings.raters)
    drawn = raters.readings(known, stream(seed, index, RATERS), settings.resolution, settings.raters)
    return Subject(image, drawn, shares, known)


def classes(settings: VirtualSettings) -> tuple[str, ...]:
    """Names of the label values."""
    return CLASSES if settings.lesion is None else lesion.CLASSES


def channels(settings: VirtualSettings) -> int:
    """C, the number of contrasts."""
    return 1 if settings.lesion is None else len(CHANNELS)


def stream(seed: int, index: int, *part: int) -> np.random.Generator:
    """Random numbers of one part of a subject; `seed` and `index` below 2^32, or streams may coincide."""
    return np.random.default_rng(np.random.SeedSequence([seed, index], spawn_key=part))


def _with_tumours(
    warped: Tensor,
    rng: np.random.Generator,
    seed: int,
    index: int,
    settings: VirtualSettings,
    how: LesionSettings,
) -> tuple[Tensor, Tensor]:
    """Images and shares of the subject whose healthy anatomy is `warped`, with tumours in it."""
    own, resolution = stream(seed, index, TUMOURS), settings.resolution
    tumours = lesion.draw(own, how)
    middles = centres(own, coarse(warped[:3], resolution), np.array([t.radius for t in tumours]))
    tumours = tumours[: len(middles)]
    radii = np.array([t.radius for t in tumours])
    moved = pushed(warped, middles, radii, how.push, resolution)
    tissue = sharpen(moved[:3], rng, settings)
    nested, tissue = lesion.memberships(tumours, middles, tissue, own, resolution, how)
    scanners = [stream(seed, index, SCANS, c) for c in range(len(CHANNELS))]
    return contrasts(tissue, nested, moved[3], scanners, settings), lesion.shares(nested)
