"""DeepCut: outlines from boxes alone, by turns of a network and a random field (survey 3.1) [54]."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.mapped import relabelled
from medseg_lab.data.reading import Reading
from medseg_lab.data.supervision import boxes
from medseg_lab.rounds.self_training_crf import SelfTrainingCRF
from medseg_lab.training.recipe import Recipe
from medseg_lab.training.segmenter import Segmenter

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort


class DeepCut(SelfTrainingCRF):
    """Of the labels, only the bounding boxes are known; cases without labels are not used.

    Round 0 learns from the boxes, filled with their class: `Supervised(reading="boxes")`. In each further
    round the network of the round before predicts the labelled cases, each class inside its own boxes alone,
    the random field brings the prediction into line with the image, and training goes on with the result in
    place of the boxes. The boxes stay the limit in every round, so that an error cannot spread beyond them.

    Rajchl et al. [54] train a patch classifier on 3D boxes, for more rounds than here. The field is that of
    `SelfTrainingCRF`, with its settings. The learner notes `filled`, the share of the boxes' voxels that are
    foreground after the round's relabelling, beside what `Rounds` notes.

    Args:
        cases: of the labelled ones, how many a round relabels and learns from, however many round 0 has.

    Raises:
        ValueError: for another reading than "boxes", or a weight of unlabelled cases, which are not used.
    """

    reading: Reading = "boxes"

    def build(self) -> None:
        """As all rounds, without unlabelled cases."""
        super().build()
        if (self.reading, self.weight) != ("boxes", 1.0):
            raise ValueError(
                f"DeepCut: expected reading 'boxes' and weight 1, got {self.reading!r} and {self.weight}"
            )
        self.wants_unlabelled = False
        self.boxed = self.foreground = 0

    @classmethod
    def twin(cls, arguments: Mapping[str, Any], **more: Any) -> Recipe:
        """Filled boxes in place of labels."""
        return super().twin(arguments, reading="boxes", **more)

    def learn_from(self, cohort: "Cohort", teachers: Sequence[Segmenter]) -> "Cohort":
        """Go on from the teacher's weights, with labels that were made inside the boxes."""
        cohort = super().learn_from(cohort, teachers)
        slice_axis = cohort.card.preprocessing.slice_axis
        taught = self.taught(cohort.labelled[: self.cases], teachers, slice_axis)
        self.made["filled"] = self.foreground / max(self.boxed, 1)
        self.reading = "reference"  # the labels are no boxes any more, and none are drawn around them
        return replace(cohort, labelled=taught)

    def taught(
        self, cases: Sequence[Case], teachers: Sequence[Segmenter], slice_axis: int
    ) -> tuple[Case, ...]:
        """As in all rounds; what nobody annotated stays so."""
        found = zip(cases, super().taught(cases, teachers, slice_axis), strict=True)
        return tuple(relabelled(one, one.label.where(case.label != IGNORE, IGNORE)) for case, one in found)

    def refined(self, foretold: Tensor, case: Case) -> Tensor:
        """The field's probabilities `(K, *S)`; of a class, 0 outside of its boxes."""
        allowed = boxes_of_classes(case.label, len(foretold)).to(foretold.device)
        inside = (foretold + torch.finfo(foretold.dtype).eps) * allowed
        found = self.field(inside / inside.sum(dim=0), case.image) * allowed
        self.boxed += int(allowed[1:].any(dim=0).sum())
        self.foreground += int((found.argmax(dim=0) > 0).sum())
        return found / found.sum(dim=0)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The supervised loss; notes what became of the boxes."""
        self.note(**self.made)
        return super().losses(batch, step)


def boxes_of_classes(label: Tensor, classes: int) -> Tensor:
    """Where each class may be, bool `(K, *S)`: inside the boxes of its components; background anywhere.

    Args:
        label: `(*S)`; nothing but its boxes is used.
        classes: K.
    """
    inside = [boxes((label == k).to(torch.uint8), 2).bool() for k in range(1, classes)]
    return torch.stack([torch.ones_like(label, dtype=torch.bool), *inside])
