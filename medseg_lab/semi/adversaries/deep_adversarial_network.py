"""Deep adversarial network: Zhang et al. [73] (section 3.4, figure 16)."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.semi.adversaries.discriminator import Discriminator, fixed, standing, taken_for, told_apart
from medseg_lab.semi.adversaries.game import Game
from medseg_lab.training.learner import Phase


class DeepAdversarialNetwork(Game):
    """An evaluation network tells segmentations of labelled from those of unlabelled images.

    It is given an image and its class probabilities, and answers whether the image is one of those with
    labels. The segmenter learns to make its segmentations of unlabelled images look as if it had learned
    from their labels: L_U = -log E(x, f(x)), mean over the unlabelled patches, while E does not move. Then E
    moves, down the cross-entropy of its answers for both kinds.

    Nothing keeps the evaluator from looking at the image alone: it may know the few labelled patients by
    sight, and then its gradient says nothing of segmentations. With `sees_image=False` it is given the
    probabilities alone.

    Half of the labelled patches lie about a voxel of the foreground, as in every training here; those without
    labels lie anywhere. How much foreground a patch has is therefore a clue, too: by it alone, on true
    segmentations, 63% of the answers are right on msd-hippocampus and 67% on virtual-brain+lesion. An
    evaluator that is right no more often need not have looked at how anything is segmented.

    Ours: image and probabilities are channels side by side; the weight comes in by the ramp of all methods in
    `semi`. The authors alternate longer trainings of the two networks.

    Args:
        weight: of L_U; .1 did no better on validation cases, with one seed.
        sees_image: whether the evaluator is given the image, too.
        width: channels of the evaluator's first convolution.
    """

    weight: Annotated[float, Field(ge=0)] = 1.0
    sees_image: bool = True
    width: Annotated[int, Field(ge=1)] = 16

    term = "adversarial"

    def build(self) -> None:
        """The segmenter, then the evaluation network."""
        super().build()
        channels = len(self.task.classes) + self.sees_image * self.task.channels
        self.evaluator = Discriminator(self.task.spatial_dims, channels, self.width)

    def others(self) -> list[Phase]:
        """The evaluation network."""
        moved = self.evaluator.parameters()
        return [Phase("evaluator", moved, self.evaluator_losses, rate=self.opponents_rate)]

    def judged(self, image: Tensor) -> Tensor:
        """What the evaluation network is given, `(N, C + K, *S)`."""
        probabilities = self.student(image)
        return torch.cat([image, probabilities], dim=1) if self.sees_image else probabilities

    def consistency_loss(self, batch: Batch, step: int) -> Tensor:
        """L_U: unlabelled images taken for labelled ones."""
        return taken_for(fixed(self.evaluator, self.judged(self.unlabelled(batch))), True)

    def evaluator_losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """What the evaluation network minimises; notes how the game stands."""
        with torch.no_grad():
            labelled, unlabelled = self.judged(batch.image), self.judged(self.unlabelled(batch))
        known, other = self.evaluator(labelled), self.evaluator(unlabelled)
        self.note(**standing(known, other))
        return {"told_apart": told_apart(known, other)}
