"""A game that begins with a segmenter that has learned from the labels alone (section 3.4)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from medseg_lab.semi.adversaries.game import Game
from medseg_lab.training.recipe import Recipe
from medseg_lab.training.segmenter import Segmenter

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort


class AfterLabels(Game):
    """The segmenter goes on from the weights of its supervised twin, for a share of the twin's steps.

    A step of such a game costs three to four times a step of the twin. So the twin's training, which all
    methods share, comes first, and the game lasts for a third of its steps. The other networks are new.

    Args:
        share: the steps of this training over those of the labels alone, before it.
        rate: the segmenter's learning rate over that of the labels alone.
    """

    share: Annotated[float, Field(gt=0, le=1)] = 1 / 3
    rate: Annotated[float, Field(gt=0, le=1)] = 0.25

    @classmethod
    def teachers(cls, arguments: Mapping[str, Any]) -> Sequence[Recipe]:
        """The network after the labels alone; none for the supervised twin."""
        return [] if cls.asked(arguments, "weight") == 0 else [cls.twin(arguments)]

    def build(self) -> None:
        """The network; it is trained for fewer steps, and slower, than one from new weights."""
        super().build()
        if self.weight:
            self.step_share, self.rate_share = self.share, self.rate

    def learn_from(self, cohort: "Cohort", teachers: Sequence[Segmenter]) -> "Cohort":
        """Go on from its weights."""
        (teacher,) = teachers
        trained: Any = teacher
        self.network.load_state_dict(trained.network.state_dict())
        return cohort
