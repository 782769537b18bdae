"""Methods that begin when the network has learned from the labels (sections 3.3 and 3.4)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from medseg_lab.semi.consistency import Consistency
from medseg_lab.training.recipe import Recipe
from medseg_lab.training.segmenter import Segmenter

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort


class TrainedFirst(Consistency):
    """Goes on from the labels alone (`teachers`), for a share of the steps.

    Predictions that are wrong everywhere have nothing to spread, and are told from true ones at a glance.

    Args:
        share: the steps of this training over those of the labels alone, before it.
        rate: its learning rate over that of theirs. At the full rate, trained weights first unlearn
            (`medseg_lab.rounds.rounds`).
    """

    share: Annotated[float, Field(gt=0, le=1)] = 1 / 6
    rate: Annotated[float, Field(gt=0, le=1)] = 0.25

    @classmethod
    def teachers(cls, arguments: Mapping[str, Any]) -> Sequence[Recipe]:
        """The labels alone; nothing for the supervised twin."""
        return [] if cls.asked(arguments, "weight") == 0 else [cls.twin(arguments)]

    def build(self) -> None:
        """The network; at weight 0 the training is that of the supervised twin."""
        super().build()
        if self.weight:
            self.step_share, self.rate_share = self.share, self.rate

    def learn_from(self, cohort: "Cohort", teachers: Sequence[Segmenter]) -> "Cohort":
        """Take over the weights of the trained network."""
        for teacher in teachers:
            trained: Any = teacher
            self.network.load_state_dict(trained.network.state_dict())
        return cohort
