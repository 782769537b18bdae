"""Nested tumours, simulated: enhancing tumour in tumour core in whole tumour.

A tumour is three borders at which a distance from its centre is cut: the inner side of the enhancing rim, the
core, and oedema beyond it. The distance is the length of the easiest path through the tissue, so that oedema
follows white matter and stops at fluid; noise makes borders irregular. Each border fades over some
millimetres, and the memberships are products, hence wt >= tc >= et at every voxel.

They look like the glioblastomas of Menze et al., "The multimodal brain tumor image segmentation
benchmark (BRATS)", IEEE TMI 34(10) (2015): an enhancing ring around dead tissue, in oedema. Not
simulated: growth (Swanson and others model it), haemorrhage, resection, vessels, low-grade tumours; the mass
effect is radial and mild.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from medseg_lab.data.virtual.fields import smooth_noise
from medseg_lab.data.virtual.place import coarse, path_lengths
from medseg_lab.data.virtual.settings import LesionSettings

CLASSES = ("background", "oedema", "non-enhancing tumour", "enhancing tumour")


@dataclass(frozen=True)
class Tumour:
    """The parameters drawn for one tumour; lengths in mm.

    Attributes:
        radius: of the core.
        oedema: reach beyond the core.
        rim: thickness of the enhancing rim.
        infiltration: width over which the outer border falls from 90% to 10%.
    """

    radius: float
    oedema: float
    rim: float
    infiltration: float


def draw(rng: np.random.Generator, settings: LesionSettings) -> list[Tumour]:
    """As many tumours as `settings.number` says, the largest first."""
    low, high = settings.number
    ranges = (settings.size_mm, settings.oedema_mm, settings.rim_mm, settings.infiltration_mm)
    drawn = [[rng.uniform(*r) for r in ranges] for _ in range(rng.integers(low, high + 1))]
    return sorted((Tumour(size / 2, *rest) for size, *rest in drawn), key=lambda t: -t.radius)


def memberships(
    tumours: list[Tumour],
    middles: np.ndarray,
    tissue: Tensor,
    rng: np.random.Generator,
    resolution: int,
    settings: LesionSettings,
) -> tuple[Tensor, Tensor]:
    """Whole tumour, core and enhancing tumour `(3, *S)`, each in [0, 1] and none above the one before.

    `tissue`: CSF, grey and white shares `(3, *S)` of the subject after the mass effect; returned without the
    fluid that a core encloses; a voxel's membership is at most its share of grey and white matter.
    """
    outside = torch.ones(3, *tissue.shape[1:])
    for tumour, middle in zip(tumours, middles, strict=True):
        outside *= _outside(tumour, middle, tissue, rng, resolution, settings)
    # The power leaves the fluid beside a core, such as a ventricle, where it is.
    squeezed = tissue[0] * (1 - outside[1]) ** 4
    tissue = torch.stack([tissue[0] - squeezed, tissue[1], tissue[2] + squeezed])
    return (1 - outside) * tissue[1:].sum(0).clamp(max=1), tissue


def shares(nested: Tensor) -> Tensor:
    """The classes' shares `(4, *S)`, which partition unity, of nested memberships `(3, *S)`."""
    wt, tc, et = nested
    return torch.stack([1 - wt, wt - tc, tc - et, et])


def _outside(
    tumour: Tumour,
    middle: np.ndarray,
    tissue: Tensor,
    rng: np.random.Generator,
    resolution: int,
    settings: LesionSettings,
) -> Tensor:
    """1 minus the memberships of one tumour `(3, *S)`, which are nested to the last bit."""
    shape, radius = tuple(tissue.shape[1:]), tumour.radius
    uneven = settings.irregularity * radius
    # Beyond it, every border has faded to nothing.
    limit = radius + tumour.oedema + 3 * tumour.infiltration + 3 * uneven + 20
    low = coarse(tissue, resolution)
    # The core grows through grey matter as through white; oedema does not.
    paths = torch.stack([path_lengths(low, middle, spread, limit) for spread in (1.0, settings.spread)])
    paths = F.interpolate(paths[None], size=shape, mode="trilinear", align_corners=False)[0]
    large = smooth_noise(rng, 1, shape, max(0.7 * radius, 4) / resolution, 0.9 * uneven)
    small = smooth_noise(rng, 2, shape, max(0.35 * radius, 4) / resolution)
    to_core, to_oedema = paths + large + 0.4 * uneven * small[:1]
    rim = tumour.rim * torch.exp(2 * settings.irregularity * small[1])
    core = fade(radius - to_core, 0.5 * tumour.infiltration)
    inner = fade(radius - rim - to_core, 0.5 * tumour.infiltration)
    swollen = fade(radius + tumour.oedema - to_oedema, tumour.infiltration)
    return torch.stack([(1 - core) * (1 - swollen), 1 - core, 1 - core * (1 - inner)])


def fade(depth: Tensor, width: float) -> Tensor:
    """A logistic of the depth inside a border, in mm, that falls from 90% to 10% over `width` mm."""
    return torch.sigmoid(depth * (2 * np.log(9) / max(width, 1e-3)))
