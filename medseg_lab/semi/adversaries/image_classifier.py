"""A classifier of whole images, and where in the image it finds each class (survey 3.4)."""

import math
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.networks.blocks import CONV, conv
from medseg_lab.training.learner import Learner

LINEAR = {2: "bilinear", 3: "trilinear"}
SHARPNESS = 4.0
"""Of the pooling over places: towards 0 it is their mean, towards infinity their maximum."""


class PlaceScores(nn.Module):
    """The evidence for each foreground class at each place, `(N, C, *S)` to logits `(N, K-1, *cells)`.

    A cell is four voxels wide, and its score depends on the 18 x 18 voxels around it alone: there are no
    norms (an instance norm tells every place what is anywhere in the image), and no further convolutions. A
    label of the whole image does not say where evidence is to be put. With norms, or where scores saw
    further, they lay many voxels beside the squares and lesions that they spoke of.

    Args:
        spatial_dims: 2 or 3.
        channels: C.
        foreground: K - 1.
        width: channels after the first convolution; the others have two and four times as many.
    """

    def __init__(self, spatial_dims: int, channels: int, foreground: int, width: int) -> None:
        super().__init__()
        widths = (channels, width, 2 * width)
        self.features = nn.Sequential(
            # an even kernel, so that the middle of a cell is that of what it saw
            *(conv(spatial_dims, here, below, 4, stride=2, norm="none") for here, below in pairwise(widths)),
            conv(spatial_dims, 2 * width, 4 * width, norm="none"),
            conv(spatial_dims, 4 * width, 4 * width, kernel=1, norm="none"),
        )
        self.scores = CONV[spatial_dims](4 * width, foreground, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits `(N, K-1, *cells)`."""
        found: Tensor = self.scores(self.features(image)).float()
        return found

    def attention(self, image: Tensor) -> Tensor:
        """How much each foreground class is at each voxel, 0 to 1: the class activation map, `(N, K-1, *S)`.

        No gradient flows into it.
        """
        with torch.no_grad():
            shape = image.shape[2:]
            return F.interpolate(self(image), size=shape, mode=LINEAR[len(shape)]).sigmoid()


class ImageClassifier(Learner):
    """Learns which classes an image shows, and so, without being told, where they are.

    Of a patch's label only the classes in it are read (`presence`): a label of the image, as a person gives
    it in a second. A `PlaceScores` gives each place a logit for each foreground class, and a soft maximum
    over the places is the logit of the class in the image (`pooled`). So a class is where its score is high:
    the class activation map, which is the attention that `CollaborativeLearning` takes from here, and the
    prediction of this learner.

    As everywhere, half of the patches are about a voxel of a class. Where a patch holds a whole slice, as on
    the data of section 3.4, that chooses slices by what they show, and tells nothing of the place.

    Noted: `present`, the share of classes that a patch shows, and `right`, the share of the answers that are
    right.

    Args:
        width: channels of its first convolution.
    """

    width: Annotated[int, Field(ge=1)] = 16

    def build(self) -> None:
        """Its own network."""
        super().build()
        task = self.task
        self.places = PlaceScores(task.spatial_dims, task.channels, len(task.foreground), self.width)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Cross-entropy of each class, there or not; where nobody annotated anything, nothing."""
        there, logits = presence(batch.label, len(self.task.classes)), pooled(self.places(batch.image))
        known = (batch.label != IGNORE).flatten(1).any(dim=1, keepdim=True).float()
        self.note(present=there.mean(), right=((logits.detach() > 0) == (there > 0)).float().mean())
        return {"presence": F.binary_cross_entropy_with_logits(logits, there, known)}

    def predict(self, image: Tensor) -> Tensor:
        """The attention as probabilities `(N, K, *S)`; background is what no class attends to."""
        attention = self.places.attention(image)
        found = torch.cat((1 - attention.amax(dim=1, keepdim=True), attention), dim=1)
        return found / found.sum(dim=1, keepdim=True)


def presence(label: Tensor, classes: int) -> Tensor:
    """Which foreground classes labels `(N, *S)` show anywhere, 0 or 1, float32 `(N, K-1)`."""
    there = [(label == k).flatten(1).any(dim=1) for k in range(1, classes)]
    return torch.stack(there, dim=1).float()


def pooled(scores: Tensor) -> Tensor:
    """A soft maximum over the places, `(N, K-1, *cells)` to `(N, K-1)`: log(mean(exp(r s))) / r."""
    flat = scores.flatten(2)
    sharp = torch.logsumexp(SHARPNESS * flat, dim=2) - math.log(flat.shape[2])
    return sharp / SHARPNESS
