"""ASDNet: Nie et al. [74] (section 3.4)."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import logsigmoid

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.networks.unet import UNet
from medseg_lab.semi.adversaries.discriminator import fixed, standing, told_apart
from medseg_lab.semi.adversaries.game import Game
from medseg_lab.semi.adversaries.masks import beside, one_hot
from medseg_lab.training.learner import Phase


class ASDNet(Game):
    """A fully convolutional discriminator says voxel by voxel where a segmentation looks like a true one.

    Its answer D is the confidence map. It learns on labelled patches to tell the reference from the
    prediction, each with the image beside it. Where the two are the same it can but answer 1/2; so 1/2 is as
    good as a prediction gets, and less says that something is wrong here. On unlabelled patches the predicted
    classes are pseudo-labels where D reaches a threshold:

        L_U = L(f(x), argmax f(x), where D >= threshold) + a mean((1 - D)^difficulty (-log D)).

    The second term asks the segmenter for what D takes for true, most where D finds it least so.

    Noted: `kept`, the share of voxels that have a pseudo-label; and how the game stands in those voxels of
    labelled patches where prediction and reference differ, since in all others there is nothing to tell.

    A reference has no values but 0 and 1, so D may learn to see where probabilities lie between: then its
    confidence is what the segmenter itself is sure of. Given the most probable classes instead, it learned
    nothing in a hundred steps.

    Departures: the threshold is a rank. The authors' is a value of D; but on the few labelled patches, which
    the segmenter has learned, there is little to be told apart, so after a short game D is nearly 1/2
    everywhere, and a value leaves out nothing or everything. D is given the image, too. The authors also
    weigh labelled samples by how hard they are; all methods here share one supervised loss.

    Args:
        weight: of L_U.
        adversarial: a.
        threshold: the share of the voxels of each predicted class that is left out, those of the lowest
            confidence; 0 takes whole predictions for pseudo-labels.
        difficulty: how much more voxels of low confidence count in the adversarial term; 0: all alike.
        width: channels of the finest level of the discriminator, a U-Net of three levels without norms.
        opponents: twice that of other games: at half of theirs, D had learned nothing after a hundred steps.
    """

    weight: Annotated[float, Field(ge=0)] = 1.0
    adversarial: Annotated[float, Field(ge=0)] = 0.1
    threshold: Annotated[float, Field(ge=0, lt=1)] = 0.3
    difficulty: Annotated[float, Field(ge=0)] = 2.0
    width: Annotated[int, Field(ge=1)] = 8
    opponents: Annotated[float, Field(gt=0)] = 1.0

    term = "regions"

    def build(self) -> None:
        """The segmenter, then the discriminator."""
        super().build()
        dims, channels = self.task.spatial_dims, self.task.channels + len(self.task.classes)
        widths = [self.width * 2**level for level in range(3)]
        self.discriminator = UNet(channels, 1, dims, features=widths, norm="none")

    def others(self) -> list[Phase]:
        """The discriminator."""
        moved = self.discriminator.parameters()
        return [Phase("discriminator", moved, self.discriminator_losses, rate=self.opponents_rate)]

    def consistency_loss(self, batch: Batch, step: int) -> Tensor:
        """L_U: pseudo-labels where the discriminator is confident, and its own answers."""
        image = self.unlabelled(batch)
        logits = self.network(image)
        answers = self.answers(image, logits.float().softmax(dim=1))
        confidence, found = answers.detach().sigmoid(), logits.detach().argmax(dim=1)  # (M, *S)
        kept = self.kept(confidence, found)
        self.note(kept=kept.float().mean())
        pseudo = self.loss(logits, found.where(kept, IGNORE))
        return pseudo + self.adversarial * ((1 - confidence) ** self.difficulty * -logsigmoid(answers)).mean()

    def kept(self, confidence: Tensor, found: Tensor) -> Tensor:
        """Where predicted classes become pseudo-labels, of classes and their confidences `(M, *S)`."""
        kept = torch.ones_like(found, dtype=torch.bool)
        for k in range(len(self.task.classes)):
            of_class = found == k
            if of_class.any():
                limit = confidence[of_class].quantile(self.threshold)
                kept &= ~of_class | (confidence >= limit)
        return kept

    def answers(self, image: Tensor, probabilities: Tensor) -> Tensor:
        """The discriminator's logits for a prediction `(M, K, *S)`: `(M, *S)`; none of it moves."""
        found: Tensor = fixed(self.discriminator, beside(image, probabilities))
        return found[:, 0].float()

    def discriminator_losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """What the discriminator minimises, on labelled patches, where a label is known."""
        known = batch.label != IGNORE
        with torch.no_grad():  # what nobody annotated is in no class of the reference; so of the prediction
            found = self.student(batch.image) * known[:, None]
        true, other = (
            self.discriminator(beside(batch.image, segmentation))[:, 0].float()
            for segmentation in (one_hot(batch.label, found.shape[1]), found)
        )
        differ = known & (found.argmax(dim=1) != batch.label)
        if differ.any():
            self.note(**standing(true[differ], other[differ]))
        if not known.any():
            return {"told_apart": 0 * (true + other).sum()}
        return {"told_apart": told_apart(true[known], other[known])}
