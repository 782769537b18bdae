"""The anatomy that virtual subjects share: ICBM152 tissue maps from nilearn, and one person's tissues.

Reference: Fonov et al., "Unbiased average age-appropriate atlases for pediatric studies", NeuroImage 54
(2011). Departures: the maps are averaged over blocks of whole voxels, which gives true partial volumes, and
the brain-extracted template lacks the outermost fluid, so the mask is grown by one millimetre of it.
"""

from functools import cache
from importlib.metadata import version

import numpy as np
import torch
from torch import Tensor

from medseg_lab.data.locate import cache_folder
from medseg_lab.data.virtual import store
from medseg_lab.data.virtual.fields import smooth_noise
from medseg_lab.data.virtual.settings import VirtualSettings

TISSUES = ("csf", "gm", "wm")
BOX_MM = (160, 192, 160)
"""The box around the brain, divisible by 8 voxels at 1, 2 and 4 mm."""

_CORNER_MM = (18, 22, -2)


def templates(resolution: int = 2) -> np.ndarray:
    """CSF, grey and white fractions and T1 intensity (0 to 1) in the brain's box, `(4, *S)` float32.

    Read from the user cache if an earlier call kept it there; else made and kept.

    Raises:
        ValueError: if the box is not a whole number of voxels at `resolution` millimetres.
    """
    if resolution < 1 or any(edge % resolution for edge in BOX_MM):
        raise ValueError(f"resolution: expected a divisor of {BOX_MM} mm such as 1, 2 or 4, got {resolution}")
    path = cache_folder("templates") / f"icbm152-{resolution}mm-nilearn-{version('nilearn')}-v1.npz"
    if not path.exists():
        store.save(path, {"maps": _build(resolution)})
    shape = (4, *(edge // resolution for edge in BOX_MM))
    maps = store.load(path, {"maps": (shape, np.float32)})["maps"]
    maps.setflags(write=False)
    return maps


@cache
def anatomy(resolution: int) -> Tensor:
    """The template's tissue shares and the T1 intensity that they leave unexplained, `(4, *S)`."""
    maps = torch.from_numpy(templates(resolution).copy())
    shares = maps[:3] / maps[:3].sum(0).clamp(min=1)
    a, b = shares.flatten(1).double(), maps[3].flatten().double()
    means = torch.linalg.solve(a @ a.T, a @ b).float()
    return torch.cat([shares, maps[3:] - torch.einsum("k,kxyz->xyz", means, shares)[None]])


def sharpen(shares: Tensor, rng: np.random.Generator, settings: VirtualSettings) -> Tensor:
    """Shares `(3, *S)` of one person rather than of an average, with borders moved at random."""
    moved = smooth_noise(
        rng, 3, tuple(shares.shape[1:]), settings.border_mm / settings.resolution, settings.border
    )
    rest = (1 - shares.sum(0)).clamp_(min=1e-4).pow_(settings.sharpness)
    weights = shares.clamp(min=1e-4).pow_(settings.sharpness).mul_(moved.exp_())
    return weights / (weights.sum(0) + rest)


def _build(resolution: int) -> np.ndarray:
    from nilearn import datasets
    from scipy.ndimage import binary_dilation, gaussian_filter

    # Whole heads in double precision: each is freed as soon as it has been used.
    load = (datasets.load_mni152_gm_template, datasets.load_mni152_wm_template, datasets.load_mni152_template)
    grey, white, t1 = (template(resolution=1).get_fdata(caching="unchanged") for template in load)
    solid = grey + white
    inside = binary_dilation(solid + t1 > 0.1, iterations=1)
    t1 = _shrunk(t1, resolution)
    brain = gaussian_filter(inside.astype(float), 0.7)
    share = np.minimum(1, brain / np.maximum(solid, 1e-6, out=solid))
    grey *= share
    white *= share
    fluid = np.clip(brain - grey - white, 0, 1)
    return np.stack([*(_shrunk(tissue, resolution) for tissue in (fluid, grey, white)), t1])


def _shrunk(volume: np.ndarray, resolution: int) -> np.ndarray:
    """A map in the brain's box, in voxels of `resolution` mm."""
    return _block_mean(_boxed(volume), resolution).astype(np.float32)


def _boxed(volume: np.ndarray) -> np.ndarray:
    """The box cut out of the template, with zeros where it reaches beyond."""
    box = np.zeros(BOX_MM)
    source = tuple(
        slice(max(c, 0), min(c + e, n)) for c, e, n in zip(_CORNER_MM, BOX_MM, volume.shape, strict=True)
    )
    target = tuple(slice(s.start - c, s.stop - c) for s, c in zip(source, _CORNER_MM, strict=True))
    box[target] = volume[source]
    return box


def _block_mean(volume: np.ndarray, k: int) -> np.ndarray:
    x, y, z = (n // k for n in volume.shape)
    return volume.reshape(x, k, y, k, z, k).mean(axis=(1, 3, 5))
