"""Collaborative learning: labels of whole images improve pseudo-masks, Zhou et al. [75] (section 3.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.mapped import MappedCase
from medseg_lab.data.splits import shuffled
from medseg_lab.semi.adversaries.discriminator import Discriminator, fixed, standing, taken_for, told_apart
from medseg_lab.semi.adversaries.game import Game
from medseg_lab.semi.adversaries.image_classifier import ImageClassifier, PlaceScores
from medseg_lab.semi.adversaries.masks import as_mask, beside, one_hot
from medseg_lab.training.learner import Learner, Phase
from medseg_lab.training.recipe import Recipe, recipe
from medseg_lab.training.segmenter import Segmenter

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort


class CollaborativeLearning(Game):
    """Masks of a few patients, and of all others only which classes an image shows.

    Three networks. An `ImageClassifier` learns from the labels of whole images, of all patients; it is
    trained first and then fixed. The segmenter learns from the masks of `masks` patients. On all other images
    its prediction, refined by where the classifier looks (`refined`), is its pseudo-mask. A discriminator
    learns to tell a true mask on its image from a predicted one, and the segmenter to leave it no difference:

    L = L_S + w(t) (L_S(pseudo-masks) + a L_adv).

    It is for a cohort in which all training patients are labelled: `learn_from` withholds the masks of all
    but the first patients, which are those of the same draw where so few are labelled. The segmenter goes on
    from its supervised twin with these masks (`weight=0`).

    As in `DeepAdversarialNetwork`, how much foreground there is tells the discriminator something, too.

    Departures: the authors grade a disease and segment its lesions, and train classifier and segmenter by
    turns. The discriminator is shown the predicted class of each voxel, as a mask has it, and not its
    probability, which would tell it at once; the gradient is that of the probability.

    Attributes:
        withholds_labels: that it makes images without labels itself, where a cohort has none.

    Noted: `discriminator_accuracy`; and `refined`, the share of the foreground in which the attention changes
    the pseudo-mask.

    Args:
        masks: patients whose masks are used.
        attention: whether the classifier refines pseudo-masks; without, they are the predictions.
        weight: of the pseudo-masks. At 0 this is the supervised twin with the masks of few patients.
        adversarial: a, over that of the pseudo-masks.
        width: channels of the first convolution of classifier and discriminator.
    """

    masks: Annotated[int, Field(ge=1)] = 2
    attention: bool = True
    weight: Annotated[float, Field(ge=0)] = 1.0
    adversarial: Annotated[float, Field(ge=0)] = 0.1
    width: Annotated[int, Field(ge=1)] = 16

    term = "pseudo"
    withholds_labels = True

    @classmethod
    def teachers(cls, arguments: Mapping[str, Any]) -> Sequence[Recipe]:
        """The supervised twin with the same masks, unless this is it; and the classifier."""
        of_learners = {each.name for each in fields(Learner)} - {"network", "loss"}
        shared = {name: value for name, value in arguments.items() if name in of_learners | {"width"}}
        classifier = recipe(ImageClassifier, **shared)
        if cls.asked(arguments, "weight") == 0:
            return [classifier]
        alone = cls.twin(arguments).arguments
        same = {name: cls.asked(arguments, name) for name in ("masks", "width")}
        return [recipe(cls, **{**alone, **same, "weight": 0.0}), classifier]

    def build(self) -> None:
        """The segmenter; then the classifier, whose weights are learned before, and the discriminator."""
        super().build()
        if self.weight:
            dims, channels, classes = self.task.spatial_dims, self.task.channels, len(self.task.classes)
            self.classifier = PlaceScores(dims, channels, classes - 1, self.width).requires_grad_(False)
            self.discriminator = Discriminator(dims, channels + classes, self.width)

    def learn_from(self, cohort: "Cohort", teachers: Sequence[Segmenter]) -> "Cohort":
        """Take over what was learned before; and the cohort with the masks of few patients.

        Raises:
            ValueError: if all patients are among these few, so that there is no image without a mask.
        """
        *alone, classifier = teachers
        if self.weight:
            trained: Any = classifier
            self.classifier.load_state_dict(trained.places.state_dict())
        return super().learn_from(with_masks_of(self.masks, cohort), alone)

    def others(self) -> list[Phase]:
        """Discriminate."""
        told = self.discriminator.parameters()
        return [Phase("discriminator", told, self.discriminator_losses, rate=self.opponents_rate)]

    def consistency_loss(self, batch: Batch, step: int) -> Tensor:
        """The loss of the pseudo-masks, and a times that of being told from true masks."""
        image = self.unlabelled(batch)
        logits = self.network(image)
        probabilities = logits.float().softmax(dim=1)
        found: Tensor = self.loss(logits, self.pseudo_masks(image, probabilities.detach()))
        if self.adversarial:
            answers = fixed(self.discriminator, beside(image, as_mask(probabilities)))
            found = found + self.adversarial * taken_for(answers, True)
        return found

    def pseudo_masks(self, image: Tensor, probabilities: Tensor) -> Tensor:
        """Pseudo-masks `(M, *S)` of patches and their predicted probabilities."""
        plain = probabilities.argmax(dim=1)
        if not self.attention:
            return plain
        found = refined(probabilities, self.classifier.attention(image)).argmax(dim=1)
        marked = (plain > 0) | (found > 0)
        self.note(refined=(plain != found).sum() / marked.sum().clamp(min=1))
        return found

    def discriminator_losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """True masks on their images against predicted ones on theirs."""
        image = self.unlabelled(batch)
        with torch.no_grad():
            # what nobody annotated is in no class; so that this tells nothing, of either kind
            predicted = as_mask(self.student(image)) * (batch.label != IGNORE)[:, None]
        true = one_hot(batch.label, predicted.shape[1])
        real = self.discriminator(beside(batch.image, true))
        other = self.discriminator(beside(image, predicted))
        self.note(**standing(real, other))
        return {"told_apart": told_apart(real, other)}


def refined(probabilities: Tensor, attention: Tensor) -> Tensor:
    """What a prediction becomes under the attention: `(N, K, *S)`, sums to 1.

    Each foreground class is multiplied by 1/2 plus its attention: one half changes nothing. So a class has
    three times the odds where the classifier looks that it has where it does not, and no more: a classifier
    may look beside a thing, and its map is four times coarser than an outline.

    Args:
        probabilities: `(N, K, *S)`.
        attention: `(N, K-1, *S)`, of the foreground classes.
    """
    trust = torch.cat((torch.ones_like(attention[:, :1]), attention + 0.5), dim=1)
    found = probabilities * trust
    return found / found.sum(dim=1, keepdim=True)


def with_masks_of(patients: int, cohort: "Cohort") -> "Cohort":
    """The cohort with the masks of so many of its labelled patients; the others' cases have none any more.

    Which ones are left is the same as where the cohort is loaded with so few labelled patients.

    Raises:
        ValueError: if no case is left without.
    """
    order = list(dict.fromkeys(case.patient for case in cohort.labelled))
    kept = set((shuffled(order, f"draw {cohort.draw}") if cohort.draw else order)[:patients])
    labelled = tuple(case for case in cohort.labelled if case.patient in kept)
    taken = tuple(without_mask(case) for case in cohort.labelled if case.patient not in kept)
    if not (taken or cohort.unlabelled):
        raise ValueError(f"masks: expected fewer than the {len(order)} labelled patients, got {patients}")
    return replace(cohort, labelled=labelled, unlabelled=(*taken, *cohort.unlabelled))


def without_mask(case: Case) -> Case:
    """The case with its labels withheld, as an unlabelled one is loaded; its image stays where it is."""
    if isinstance(case, MappedCase):
        id, patient, image, _, front = case.made_of
        return MappedCase(id, patient, image, None, front)
    return Case(case.id, case.patient, case.image, case.labels[:0], case.spacing)
