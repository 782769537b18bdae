"""Self-training whose pseudo-labels spread along a graph of voxels (survey 3.3) [22]."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.rounds.rounds import Rounds

Floats = NDArray[np.floating]
Labels = NDArray[np.integer]


class GaussianRandomField(Rounds):
    """Before each round, the labels of certain voxels spread to the others along a graph.

    Each voxel is joined to its neighbours; w_ij = exp(-beta |x_i - x_j|^2) is large where the two look alike.
    Of all y that keep the certain voxels' labels, the *harmonic* one has the least sum w_ij |y_i - y_j|^2:
    every other voxel is the weighted mean of its neighbours. It is the most probable state, and the mean, of
    a Gaussian random field with the graph's Laplacian. A label therefore spreads until it meets an edge of
    the image, or another label. Slices are graphs of their own, in the plane in which the network sees them;
    the prediction of a network of volumes is one graph.

    Departure from Song et al. [22]: they learn a function x -> t -> y with such a field over the latent
    variable t, so that it applies to new images. Here the field labels the images at hand, where the labels
    are the network's own certain decisions, and the network that learns from them applies to new images.

    Args:
        certain: the probability from which on a voxel keeps its class, and is a seed. The most probable voxel
            of each class that is predicted in a slice is one in any case: a class without a seed would be
            lost.
        beta: how fast edges weaken; x is in standard deviations of the slice. This and `certain` were chosen
            on validation cases of msd-hippocampus: at .98 it made more voxels wrong than right.
    """

    certain: Annotated[float, Field(gt=0, lt=1)] = 0.8
    beta: Annotated[float, Field(gt=0)] = 30.0

    def refined(self, foretold: Tensor, case: Case) -> Tensor:
        """The harmonic solution `(K, *S)`, float32: 1 and 0 at the seeds."""
        image = case.image.cpu().numpy().astype(np.float64)
        said, spacing = foretold.cpu().numpy(), case.spacing or (1.0,) * (image.ndim - 1)
        if image.ndim - 1 == self.task.spatial_dims:
            return torch.from_numpy(spread(said, image, self.certain, self.beta, spacing))
        axis = (self.task.slice_axis + self.plane) % 3
        across = [side for a, side in enumerate(spacing) if a != axis]
        slices = zip(np.moveaxis(said, axis + 1, 0), np.moveaxis(image, axis + 1, 0), strict=True)
        found = [spread(p, x, self.certain, self.beta, across) for p, x in slices]
        return torch.from_numpy(np.stack(found, axis=axis + 1))


def spread(
    probabilities: Floats,
    image: Floats,
    certain: float,
    beta: float,
    spacing: Sequence[float] | None = None,
) -> Floats:
    """What probabilities `(K, *S)` become when the labels of the certain voxels spread to all others.

    An image that is the same everywhere joins nothing more than anything else, and changes nothing.

    Args:
        probabilities: `(K, *S)`.
        image: `(C, *S)`; |x_i - x_j|^2 is the mean over the channels.
        certain, beta: as in `GaussianRandomField`.
        spacing: of the voxels along S: a difference over a longer way counts less, as a slope does. Along the
            shortest side it counts in full.
    """
    from skimage.segmentation import random_walker

    label, contrast = seeds(probabilities, certain), image.std()
    known = np.unique(label[label >= 0])
    if contrast == 0:
        return probabilities
    found = np.zeros_like(probabilities)
    if len(known) == 1 or (label >= 0).all():
        for k in known:
            found[k] = 1 if len(known) == 1 else label == k
        return found
    found[known] = random_walker(
        image / contrast,
        label + 1,
        beta=10 * beta / np.sqrt(len(image)),  # its weights are exp(-beta |x_i - x_j|^2 / (10 sqrt(C) std))
        mode="bf",
        return_full_prob=True,
        spacing=None if spacing is None else np.divide(spacing, min(spacing)),
        channel_axis=0,
    )
    return found


def seeds(probabilities: Floats, certain: float) -> Labels:
    """The class of each voxel that keeps it, `(*S)`, and -1 for the others.

    Args:
        probabilities: `(K, *S)`.
        certain: as in `GaussianRandomField`.
    """
    label: Labels = probabilities.argmax(axis=0)
    sure = probabilities.max(axis=0)
    kept = sure >= certain
    for k in np.unique(label):
        kept |= (label == k) & (sure == sure[label == k].max())
    return np.where(kept, label, -1)
