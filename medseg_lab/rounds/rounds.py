"""What methods of section 3.1 share: labels made by trained networks, and a round that learns from them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.mapped import relabelled
from medseg_lab.inference.predict import predict_case
from medseg_lab.training.label_maps import LabelMaps
from medseg_lab.training.recipe import Recipe, recipe
from medseg_lab.training.segmenter import Segmenter
from medseg_lab.training.supervised import Supervised

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort


class Rounds(Supervised):
    """L = L_S(labelled) + L_U(unlabelled, pseudo-labels), equation (9) of the survey, round after round.

    The first network learns from the labels alone: round 0, the supervised twin. In each further round the
    network of the round before predicts all cases without labels, and training goes on from its weights, as
    Bai et al. [56] do, with these pseudo-labels beside the labels. Each round is a run of its own, on which
    the next one rests (`teachers`); it keeps its pseudo-labels. L_S is computed first and alone, as in the
    methods of section 3.2. Nothing reads the labels of the cases without: they are not in the cohort.

    What a method makes of a prediction is `refined`; which networks teach is `teachers`, what they say
    together is `foretold`. The learner notes `kept`, the share of the voxels that have a pseudo-label, and
    `refined`, the share in which it is not the teachers' most probable class.

    Args:
        rounds: after the first; 0 is the supervised twin.
        share: the steps of a round over those of the first training.
        rate: the learning rate of a round over that of the first training. At the full rate, going on from
            trained weights first unlearns: without pseudo-labels a round lost .07 of Dice (validation cases
            of msd-hippocampus), at a quarter nothing.
        weight: of L_U.
        cases: of those without labels, how many a round predicts and learns from: the first ones, which are
            drawn by patient. A round of a hundred steps meets a few slices of each.
        confidence: a voxel whose most probable class has less than this has no pseudo-label.
    """

    rounds: Annotated[int, Field(ge=0)] = 3
    share: Annotated[float, Field(gt=0, le=1)] = 1 / 6
    rate: Annotated[float, Field(gt=0, le=1)] = 0.25
    weight: Annotated[float, Field(ge=0)] = 1.0
    cases: Annotated[int, Field(ge=1)] = 60
    confidence: Annotated[float, Field(ge=0, lt=1)] = 0.0

    term = "pseudo"

    @classmethod
    def teachers(cls, arguments: Mapping[str, Any]) -> Sequence[Recipe]:
        """The round before; before the first round, the supervised twin."""
        left = cls.asked(arguments, "rounds")
        return [cls.before(arguments, left)] if isinstance(left, int) and left > 0 else []

    @classmethod
    def before(cls, arguments: Mapping[str, Any], rounds: int) -> Recipe:
        """What a round rests on, of so many."""
        if rounds > 1:
            return recipe(cls, **{**arguments, "rounds": rounds - 1})
        return cls.twin(arguments)

    def build(self) -> None:
        """The network; pseudo-labels are asked for where they count."""
        super().build()
        self.wants_unlabelled = self.rounds > 0 and self.weight > 0
        self.step_share = self.share if self.rounds else 1.0
        self.rate_share = self.rate if self.rounds else 1.0
        self.made: dict[str, float] = {}

    def learn_from(self, cohort: "Cohort", teachers: Sequence[Segmenter]) -> "Cohort":
        """Go on from what is learned, with the cohort in which pseudo-labels stand for labels."""
        self.start_from(teachers)
        if not self.wants_unlabelled:
            return cohort
        taught = self.taught(cohort.unlabelled[: self.cases], teachers, cohort.card.preprocessing.slice_axis)
        return replace(cohort, unlabelled=taught)

    def start_from(self, teachers: Sequence[Segmenter]) -> None:
        """Take over the weights of the first teacher."""
        before: Any = teachers[0]
        self.network.load_state_dict(before.network.state_dict())

    def taught(
        self, cases: Sequence[Case], teachers: Sequence[Segmenter], slice_axis: int
    ) -> tuple[Case, ...]:
        """The cases with pseudo-labels, which are kept with the run; notes what became of their voxels."""
        maps, found, counts = LabelMaps(), list[Case](), np.zeros(3)
        for case in cases:
            foretold = self.foretold(case, teachers, slice_axis).cpu()
            label, kept = self.pseudo_label(self.refined(foretold, case).cpu())
            changed = (label != foretold.argmax(dim=0)) & kept
            counts += [kept.numel(), int(kept.sum()), int(changed.sum())]
            maps[case.id] = label.numpy()
            found.append(relabelled(case, label))
        self.pseudo_labels = maps.content()
        total, kept_of, changed_of = counts
        self.made = {"kept": kept_of / total, "refined": changed_of / max(kept_of, 1)}
        return tuple(found)

    def foretold(self, case: Case, teachers: Sequence[Segmenter], slice_axis: int) -> Tensor:
        """What the teachers say of a case: class probabilities `(K, *S)`. Here the first one's prediction."""
        return predict_case(teachers[0], case.image, slice_axis=slice_axis)

    def refined(self, foretold: Tensor, case: Case) -> Tensor:
        """What is made of the teachers' probabilities `(K, *S)` before they become labels; here nothing."""
        return foretold

    def pseudo_label(self, probabilities: Tensor) -> tuple[Tensor, Tensor]:
        """The most probable class `(*S)`, uint8, or `IGNORE` below the confidence; and where there is one."""
        sure, label = probabilities.max(dim=0)
        kept = sure >= self.confidence
        return label.to(torch.uint8).where(kept, torch.tensor(IGNORE, dtype=torch.uint8)), kept

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The supervised term and, after the first training, that of the pseudo-labels."""
        return super().losses(batch, step) | self.unsupervised(batch, step)

    def unsupervised(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """L_U, weighted; nothing where no pseudo-label counts."""
        if not self.wants_unlabelled:
            return {}
        if batch.unlabelled is None or batch.pseudo is None:
            raise ValueError(f"{type(self).__name__}: expected a batch with pseudo-labels, got none")
        self.note(**self.made)
        return {self.term: self.weight * self.of_pseudo(batch.unlabelled, batch.pseudo)}

    def of_pseudo(self, image: Tensor, label: Tensor) -> Tensor:
        """L_U, a scalar, of patches `(M, C, *S)` and their pseudo-labels `(M, *S)`."""
        return self.loss(self.network(image), label)
