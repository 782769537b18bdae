"""A graph of superpixels: Xu et al. [23] (section 3.3)."""

from math import log, sqrt
from typing import Annotated, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.semi.trained_first import TrainedFirst


class SuperpixelGraph(TrainedFirst):
    """Regions that look alike and lie near each other are to have like predictions.

    L = L_S + w(t) R, with R = sum w_ij |y_i - y_j|^2 over the edges of a graph. Its nodes are the superpixels
    (SLIC) of an unlabelled patch; y_i is the mean prediction in one. What v_i says of one is its mean
    intensity and its centre, and two are joined with w_ij = exp(-|v_i - v_j|^2) where that is `epsilon` or
    more. Here R is divided by the sum of the w_ij, so that it does not grow with the number of edges: it is
    the weighted mean over the edges, 0 to 2, and the mean over the patches.

    Departures: the authors' network sees regions and is followed by a step that corrects
    shapes, which is left out; neurons are told apart by what they look like, where organs are also told apart
    by where they are.

    Noted: `connected`, the share of all pairs of superpixels that are joined; and `across`, the share of the
    weights between superpixels whose most probable classes differ, where R acts most.

    Args:
        weight: of R.
        size: voxels of a superpixel, about.
        compactness: SLIC's: how much a superpixel is held together by distance rather than by intensity.
        contrast: the difference of intensity that counts as 1 in |v_i - v_j|, in standard deviations of the
            image; of several channels, the root of the mean square.
        reach: the distance in voxels that counts as 1.
        epsilon: the least weight of an edge.
    """

    weight: Annotated[float, Field(ge=0)] = 10.0
    size: Annotated[int, Field(ge=2)] = 6
    compactness: Annotated[float, Field(gt=0)] = 0.1
    contrast: Annotated[float, Field(gt=0)] = 0.25
    reach: Annotated[float, Field(gt=0)] = 4.0
    epsilon: Annotated[float, Field(gt=0, lt=1)] = 0.5

    term = "graph"

    def consistency_loss(self, batch: Batch, step: int) -> Tensor:
        """R, the mean over the unlabelled patches."""
        image = self.unlabelled(batch)
        terms = [self.of_patch(*patch) for patch in zip(image, self.student(image), strict=True)]
        losses, connected, across = (torch.stack(each) for each in zip(*terms, strict=True))
        self.note(connected=connected.mean(), across=across.mean())
        return losses.mean()

    def of_patch(self, image: Tensor, probabilities: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """R of one patch `(C, *S)` with its prediction `(K, *S)`, and the shares that are noted: scalars."""
        graph = self.graph(image)
        y = means(probabilities, graph.regions)  # (n, K)
        classes, (first, second) = y.argmax(dim=1), graph.pairs
        total = graph.weights.sum().clamp(min=torch.finfo(y.dtype).tiny)
        across = (graph.weights * (classes[first] != classes[second])).sum() / total
        connected = y.new_tensor(len(graph.weights) / max(1, len(y) * (len(y) - 1) // 2))
        return smoothness(graph, y) / total, connected, across

    def graph(self, image: Tensor) -> "Graph":
        """The superpixels of an image `(C, *S)`, and which of them are joined."""
        image = image.float()  # in mixed precision it comes as bfloat16, which NumPy does not know
        regions = superpixels(image, self.size, self.compactness)
        axes = torch.meshgrid(*(torch.arange(n, device=image.device) for n in image.shape[1:]), indexing="ij")
        grey = image / (self.contrast * len(image) ** 0.5)
        features = torch.cat((grey, torch.stack(axes).to(image) / self.reach))
        return Graph(regions, *edges(means(features, regions), self.epsilon))


class Graph(NamedTuple):
    """A graph of the superpixels of an image.

    Args:
        regions: the superpixel of each voxel, `(*S)`, from 0 on.
        pairs: those that are joined, `(2, E)`, each pair once.
        weights: w_ij of each pair, `(E,)`.
    """

    regions: Tensor
    pairs: Tensor
    weights: Tensor


def superpixels(image: Tensor, size: int, compactness: float) -> Tensor:
    """The superpixel of each voxel of an image `(C, *S)`, by SLIC: `(*S)`, int64, from 0 on.

    Args:
        image: its values are stretched to 0 to 1 before.
        size, compactness: as in `SuperpixelGraph`.
    """
    from skimage.segmentation import slic

    number = max(1, round(image[0].numel() / size))
    found = slic(
        image.detach().cpu().numpy().astype(np.float64),
        number,
        compactness,
        start_label=0,
        convert2lab=False,
        channel_axis=0,
    )
    return torch.from_numpy(found.astype(np.int64)).to(image.device)


def means(values: Tensor, regions: Tensor) -> Tensor:
    """The mean of values `(F, *S)` in each region of `(*S)`: `(n, F)`."""
    flat, index = values.flatten(1).T, regions.flatten()
    total = flat.new_zeros(int(index.max()) + 1, flat.shape[1]).index_add(0, index, flat)
    return total / index.bincount()[:, None]


def edges(features: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """The pairs of v `(n, F)` with w_ij = exp(-|v_i - v_j|^2) >= epsilon, `(2, E)`; and w_ij, `(E,)`."""
    from scipy.spatial import KDTree

    near = KDTree(features.cpu().numpy()).query_pairs(sqrt(-log(epsilon)), output_type="ndarray")
    pairs = torch.from_numpy(near.astype(np.int64).T).to(features.device)
    return pairs, (-(features[pairs[0]] - features[pairs[1]]).square().sum(dim=1)).exp()


def smoothness(graph: Graph, y: Tensor) -> Tensor:
    """Sum of w_ij |y_i - y_j|^2 over the pairs that are joined, a scalar; y is `(n, K)`.

    That is tr(y' L y) with the graph's Laplacian L = D - W, where D has the sums of the rows of W.
    """
    first, second = graph.pairs
    return (graph.weights * (y[first] - y[second]).square().sum(dim=1)).sum()
