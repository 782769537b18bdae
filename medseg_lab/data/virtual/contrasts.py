"""Four registered contrasts of a brain with tumours: FLAIR, T1, T1 with contrast agent, T2."""

import numpy as np
import torch
from torch import Tensor

from medseg_lab.data.virtual.fields import smooth_noise
from medseg_lab.data.virtual.scan import scan
from medseg_lab.data.virtual.settings import VirtualSettings

CHANNELS = ("FLAIR", "T1", "T1 with contrast agent", "T2")

SHOWN = (-0.4, 1.0, 1.0, -0.7)
"""How the template's own T1 intensity shows in each contrast: what is bright in T1 is dark in T2."""

MOTTLE = (0.08, 0.05, 0.14, 0.12)
"""Standard deviation of the mottled intensity inside tumours, in each contrast."""

MOTTLE_MM = 4.0


def contrasts(
    tissue: Tensor,
    nested: Tensor,
    residual: Tensor,
    rngs: list[np.random.Generator],
    settings: VirtualSettings,
) -> Tensor:
    """Images `(4, *S)`, each with its own intensities, bias field, slices and noise.

    Args:
        tissue: CSF, grey and white shares `(3, *S)`, with tumour counted as the grey and white it replaces.
        nested: memberships of whole tumour, core, enhancing tumour `(3, *S)`.
        residual: the template's unexplained intensity `(*S)`.
        rngs: one for each contrast.
        settings: the scanner's.
    """
    wt, tc, et = nested
    # Tumour takes the place of grey and white matter, in proportion.
    left = 1 - wt / tissue[1:].sum(0).clamp(min=1e-6)
    shares = torch.stack([tissue[0], tissue[1] * left, tissue[2] * left, wt - tc, tc - et, et])
    images = []
    means = (settings.contrasts.flair, settings.contrasts.t1, settings.contrasts.t1ce, settings.contrasts.t2)
    for rng, ranges, shown, mottle in zip(rngs, means, SHOWN, MOTTLE, strict=True):
        patches = smooth_noise(rng, 1, tuple(residual.shape), MOTTLE_MM / settings.resolution, mottle)[0]
        extra = shown * residual * (1 - wt) + patches * (0.4 * wt + 0.6 * tc + 0.5 * et)
        images.append(scan(shares, extra, rng, settings, ranges))
    return torch.stack(images)
