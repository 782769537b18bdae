"""False enhancing tumour found by clustering the intensities of the tumour (survey 2.3.4) [34]."""

from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from medseg_lab.inference.post_processing import PostProcessing, set_to


class IntensityClusters(PostProcessing):
    """A trained learner whose innermost region keeps only voxels that look like it.

    The voxels of the whole predicted foreground are divided into clusters by their intensities in all
    channels (k-means). A voxel of the innermost region (`Task.nested`: enhancing tumour) in a cluster where
    less than `share` of the voxels are of that region becomes the class around it.

    That intensities are clustered is OM-Net's [34]; the rule is ours, since the survey says no more.

    Args:
        clusters: how many.
        share: of a cluster's voxels that were predicted to be of the innermost region.

    Raises:
        ValueError: for a task of one foreground class, which has nothing around the innermost region.
    """

    clusters: Annotated[int, Field(ge=2)] = 4
    share: Annotated[float, Field(ge=0, le=1)] = 0.25

    def build(self) -> None:
        """Look at the learner's classes."""
        super().build()
        if len(self.task.classes) < 3:
            raise ValueError(
                f"IntensityClusters: expected two foreground classes or more, got {self.task.foreground}"
            )

    def process(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """`(K, *S)` of a whole case, with probability 1 of the class around where a voxel was moved there."""
        *_, (around, _), (innermost,) = self.task.nested
        label = probabilities.argmax(dim=0)
        inside = label > 0
        groups = grouped(image[:, inside].T.cpu().numpy(), self.clusters)
        false = unlike(groups, (label[inside] == innermost).cpu().numpy(), self.share)
        moved = torch.zeros_like(inside)
        moved[inside] = torch.from_numpy(false).to(inside.device)
        return set_to(probabilities, around, moved)


def grouped(values: np.ndarray, clusters: int) -> np.ndarray:
    """The cluster of each row of `values`, `(voxels, C)`, by k-means; with too few different rows, all 0."""
    from sklearn.cluster import KMeans

    if len(np.unique(values, axis=0)) < clusters:
        return np.zeros(len(values), dtype=int)
    found: np.ndarray = KMeans(clusters, n_init=3, random_state=0).fit_predict(values)
    return found


def unlike(groups: np.ndarray, member: np.ndarray, share: float) -> np.ndarray:
    """The members, bool, of groups in which less than `share` are members."""
    total = np.bincount(groups)
    count = np.bincount(groups, weights=member)
    return member & (count < share * total)[groups] if len(groups) else member
