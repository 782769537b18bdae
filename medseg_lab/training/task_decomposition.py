"""Task decomposition and synchronisation [44] (survey 2.2.3)."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from medseg_lab.data.case import IGNORE
from medseg_lab.losses.cross_entropy import CrossEntropy
from medseg_lab.networks.blocks import CONV
from medseg_lab.training.multitask import Multitask, presence_loss, present, strongest

MOST_CLASSES = 10
"""Foreground classes: one more doubles the scenes."""


class TaskDecomposition(Multitask):
    """Three tasks of one image: its pixels, the classes that are in it, and the scene that it shows.

    What the pixels say of a class, and what the head of the classes says, are to agree. The penalty on their
    disagreement is the mean square of p_k - q_k over the foreground classes: p_k is the probability of class
    k by the head, q_k the largest that any pixel gives it. Noted are `disagreement`, the mean of |p_k - q_k|,
    and `sync_share`: what the penalty sends to the pixels' logits, of what it and their loss send.

    Ours: the scene. The paper's data come with one (kinds of tumour, healthy or ill); here it is which of
    the foreground classes the patch shows together, one of 2^(K-1). Ours are the largest probability and the
    square, too. The paper's exchange of features between the tasks is left out: what is measured here comes
    through the losses alone.

    Args:
        class_weight: of the loss of the classes.
        scene_weight: of the loss of the scene.
        sync_weight: of the penalty; 0 is the decomposition without synchronisation.
    """

    class_weight: Annotated[float, Field(ge=0)] = 0.1
    scene_weight: Annotated[float, Field(ge=0)] = 0.1
    sync_weight: Annotated[float, Field(ge=0)] = 0.1

    def build(self) -> None:
        """The network, and the heads of the classes and of the scene."""
        super().build()
        dims, foreground = self.task.spatial_dims, len(self.task.foreground)
        if foreground > MOST_CLASSES:
            raise ValueError(
                f"TaskDecomposition: expected at most {MOST_CLASSES} foreground classes, got {foreground}"
            )
        self.scene = CONV[dims](self.network.widths[-1], 2**foreground, 1)

    def tasks(self, deepest: Tensor, logits: Tensor, label: Tensor) -> dict[str, Tensor]:
        """A term for the classes, one for the scene, and one for the synchronisation."""
        read = strongest(deepest)
        there = present(label, len(self.task.classes))
        classes, scene = self.presence(read), self.scene(read)
        said, seen = classes.flatten(1).float().sigmoid(), seen_by_pixels(self.measured("sync", logits))
        self.note(disagreement=(said - seen).detach().abs().mean())
        return {
            "classes": self.class_weight * presence_loss(classes, there),
            "scene": self.scene_weight * CrossEntropy()(scene.flatten(2), scene_of(there)),
            "sync": self.sync_weight * (said - seen).square().mean(),
        }

    def after_step(self, step: int) -> None:
        """Note the two shares."""
        super().after_step(step)
        self.note(sync_share=self.share("sync", "loss"))

    def classes(self, image: Tensor) -> Tensor:
        """The probability that each foreground class is there: `(N, C, *S)` to `(N, K-1, 1, ...)`."""
        return self.presence(strongest(self.network.encode(image)[-1])).float().sigmoid()


def seen_by_pixels(logits: Tensor) -> Tensor:
    """The largest probability that any pixel gives to each foreground class: `(N, K, *S)` to `(N, K-1)`."""
    return strongest(logits.float().softmax(dim=1))[:, 1:].flatten(1)


def scene_of(there: Tensor) -> Tensor:
    """The number of the scene, `(N, 1)`: the sum of 2^(k-1) over the classes k that are there.

    `IGNORE` where a class is not known to be there or not.

    Args:
        there: `(N, K-1, 1, ...)`, as `present` gives it for whole patches.
    """
    flat = there.flatten(1)  # (N, K-1)
    worth = 2 ** torch.arange(flat.shape[1], device=flat.device)
    number = (flat * worth).sum(dim=1, keepdim=True)
    return number.masked_fill((flat == IGNORE).any(dim=1, keepdim=True), IGNORE)
