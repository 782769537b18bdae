"""The control for "uncertainty points at errors": the same uncertainties, in other places."""

import torch
from torch import Tensor

from medseg_lab.uncertainty.sampled import Resampled


class Shuffled(Resampled):
    """A learner that predicts what another does, with its uncertainties moved to random other voxels.

    The predicted classes of a patch stay, and so does the set of its entropies; where they lie is random. A
    measure of uncertainty that finds errors must do better than this.

    It shuffles within each patch that it is given. In an image of several windows, a voxel that they share
    gets a mean of uncertainties, and rarely another class.

    Args:
        learner: whose mean prediction is shuffled.
    """

    def predict(self, image: Tensor) -> Tensor:
        """The mean of a few samples of the learner, shuffled: `(N, K, *S)`."""
        return self.sample(image, self.draws)[0]

    def sample(self, image: Tensor, n: int) -> Tensor:
        """`n` times the shuffled mean of the learner's n samples, `(n, N, K, *S)`: one order for all N."""
        mean = self.learner.sample(image, n).mean(dim=0)
        order = torch.randperm(image.shape[2:].numel()).to(image.device)
        found = moved(mean, order)
        return found.expand(n, *found.shape)


def moved(probabilities: Tensor, order: Tensor) -> Tensor:
    """Each voxel's probabilities, as large as those of the voxel `order` names, in its own ranking.

    So with two classes (.9, .1) and (.4, .6) swap to (.6, .4) and (.1, .9).

    Args:
        probabilities: `(N, K, *S)`.
        order: a permutation of the voxels of S, `(V,)`.
    """
    falling, ranking = probabilities.flatten(2).sort(dim=1, descending=True, stable=True)  # (N, K, V)
    return torch.zeros_like(falling).scatter(1, ranking, falling[..., order]).view(probabilities.shape)
