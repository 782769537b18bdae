"""Deep co-training: Peng et al. [58] (section 3.1, figure 11)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.losses.divergence import jensen_shannon, kullback_leibler
from medseg_lab.semi.adversarial import Adversarial, dropout_off, fast_gradient_sign, virtual
from medseg_lab.semi.consistency import Consistency
from medseg_lab.semi.other_start import OtherStart
from medseg_lab.training.recipe import Recipe, recipe
from medseg_lab.training.segmenter import Segmenter

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort


class DeepCoTraining(Consistency):
    """Two networks agree on images without labels, and each resists what misleads the other.

    L = L_S(f_1) + L_S(f_2) + w(t) (JSD(f_1, f_2) + a L_D). Agreement alone would make the two the same, and
    then neither has anything to teach. So L_D asks of each network to say of the other's adversarial examples
    what the other says of the unchanged image: where one errs, the other must not. Such an example is made by
    FGSM with a label, by virtual adversarial training without (`medseg_lab.semi.adversarial`). Their mean
    predicts.

    Both begin trained with the labels alone, from different first weights (`teachers`). Departures: the
    authors train the two from their first step on; here that would take a hundred times as long as one round
    of self-training. They may have more than two networks.

    Noted of the voxels that either network takes for foreground: `disagreement`, the share in which their
    classes differ, and `misled`, the share in which the class that a network finds changes on the other's
    adversarial example.

    Args:
        weight: of the agreement; the authors' .5. Ten times as much was no better on validation cases, with
            one seed. At 0 this is the supervised twin.
        adversarial: a, over that of the agreement. The authors' is .05 / .5; 0 leaves L_D out.
        epsilon: by how much an adversarial example changes a value, in standard deviations of the image.
        share: the steps of this training over those of the labels alone, before it.
        rate: its learning rate over that of theirs.
    """

    weight: Annotated[float, Field(ge=0)] = 0.5
    adversarial: Annotated[float, Field(ge=0)] = 0.1
    epsilon: Annotated[float, Field(gt=0)] = 0.03
    share: Annotated[float, Field(gt=0, le=1)] = 1 / 6
    rate: Annotated[float, Field(gt=0, le=1)] = 0.25

    term = "agreement"

    @classmethod
    def teachers(cls, arguments: Mapping[str, Any]) -> Sequence[Recipe]:
        """Both networks after the labels alone; none for the supervised twin."""
        if cls.asked(arguments, "weight") == 0:
            return []
        alone = cls.twin(arguments)
        return [alone, recipe(OtherStart, **alone.arguments)]

    def build(self) -> None:
        """The two networks; at weight 0 one."""
        super().build()
        if self.weight:
            self.second = self.new_network()
            self.step_share, self.rate_share = self.share, self.rate

    def learn_from(self, cohort: "Cohort", teachers: Sequence[Segmenter]) -> "Cohort":
        """Go on from the weights of both."""
        for network, teacher in zip((self.network, self.second), teachers, strict=True):
            trained: Any = teacher
            network.load_state_dict(trained.network.state_dict())
        return cohort

    def supervised(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """L_S of the first network, as in its supervised twin, and of the second."""
        found = super().supervised(batch, step)
        if self.weight:
            weights = () if batch.weight is None else (batch.weight,)
            found["second"] = self.loss(self.second(batch.image), batch.label, *weights)
        return found

    def unsupervised(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """w(t) JSD, and w(t) a L_D."""
        found = super().unsupervised(batch, step)
        if self.weight and self.adversarial:
            scale = self.weight * self.ramp_weight(step) * self.adversarial
            found["adversarial"] = scale * self.adversarial_loss(batch)
        return found

    def consistency_loss(self, batch: Batch, step: int) -> Tensor:
        """The Jensen-Shannon divergence of the two, mean over the voxels."""
        image = self.unlabelled(batch)
        logits = [network(image) for network in (self.network, self.second)]
        self.note(disagreement=differing(*logits))
        return jensen_shannon(logits).mean()

    def adversarial_loss(self, batch: Batch) -> Tensor:
        """L_D: how far each network is from what the other says, on the other's adversarial examples."""
        first, second = (self.misleading(network, batch) for network in (self.network, self.second))
        with dropout_off(self.network), dropout_off(self.second):  # so that the examples alone mislead
            of_second, of_first = self.second(first.image), self.network(second.image)
        changed = differing(second.prediction, of_second), differing(first.prediction, of_first)
        self.note(misled=torch.stack(changed).mean())
        apart = kullback_leibler(first.prediction, of_second), kullback_leibler(second.prediction, of_first)
        return torch.stack(apart).mean()

    def misleading(self, network: Any, batch: Batch) -> Adversarial:
        """A network's adversarial examples of all patches, first those with labels."""
        known = fast_gradient_sign(network, batch.image, batch.label, self.epsilon)
        others = virtual(network, self.unlabelled(batch), self.epsilon)
        return Adversarial(*(torch.cat(pair) for pair in zip(known, others, strict=True)))

    def predict(self, image: Tensor) -> Tensor:
        """The mean of the two, `(N, K, *S)`."""
        if not self.weight:
            return super().predict(image)
        return torch.stack([net(image).float().softmax(dim=1) for net in (self.network, self.second)]).mean(0)


def differing(first: Tensor, second: Tensor) -> Tensor:
    """Of the voxels in which either has foreground, the share with different classes, a scalar; 0 for none.

    Args:
        first, second: scores `(N, K, *S)`, of which the highest is the class.
    """
    one, other = first.argmax(dim=1), second.argmax(dim=1)
    marked = (one > 0) | (other > 0)
    return (one != other).sum() / marked.sum().clamp(min=1)
