"""Games that begin when the segmenter has learned from the labels (section 3.4)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from medseg_lab.semi.adversaries.game import Game
from medseg_lab.training.recipe import Recipe
from medseg_lab.training.segmenter import Segmenter

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort


class TrainedFirst(Game):
    """The segmenter goes on from the labels alone (`teachers`); the networks that judge it begin anew.

    Segmentations of a network that has learned nothing are told from others without looking at them closely.

    Args:
        share: the steps of the game over those of the labels alone, before it.
        rate: the segmenter's learning rate in the game over that before it.
        opponents: higher than in games that last as long as a training: in a hundred steps, at a tenth of the
            segmenter's first rate, an evaluation network had hardly begun to see a difference.
    """

    share: Annotated[float, Field(gt=0, le=1)] = 1 / 6
    rate: Annotated[float, Field(gt=0, le=1)] = 0.25
    opponents: Annotated[float, Field(gt=0)] = 0.5

    @classmethod
    def teachers(cls, arguments: Mapping[str, Any]) -> Sequence[Recipe]:
        """The labels alone; nothing for the supervised twin."""
        return [] if cls.asked(arguments, "weight") == 0 else [cls.twin(arguments)]

    def build(self) -> None:
        """The networks; at weight 0 the training is that of the supervised twin."""
        super().build()
        if self.weight:
            self.step_share, self.rate_share = self.share, self.rate

    def learn_from(self, cohort: "Cohort", teachers: Sequence[Segmenter]) -> "Cohort":
        """Take over the weights of the trained segmenter."""
        for teacher in teachers:
            trained: Any = teacher
            self.network.load_state_dict(trained.network.state_dict())
        return cohort
