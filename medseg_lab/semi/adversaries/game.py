"""What the methods of section 3.4 share: several optimisations in one step, each of a network of its own."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.semi.trained_first import TrainedFirst
from medseg_lab.training.learner import Phase


class Game(TrainedFirst):
    """The segmenter learns from labels, and from what other networks make of it; these learn in turn.

    In each step first the segmenter moves, down L = L_S + w(step) L_U as in all methods of section 3.2, then
    each other network down its own loss (`others`), each with an optimiser of its own. No phase moves what
    is another's, and none leaves it a gradient (`fixed`). Everything is in the checkpoint, so a resumed game
    is the one that was not stopped. With `weight=0` nobody plays, and the segmenter is its supervised twin.

    Each says how the game stands: it notes `discriminator_accuracy`. The discriminator has won where it is
    about 1, since its gradient tells the other side nothing then, and sees no difference where it is about
    .5 from the first steps on (`medseg_lab.show.game`).

    Args:
        opponents: the learning rate of the other networks over that of a segmenter that begins anew. A game
            is short: at a tenth, an evaluation network had hardly begun to see a difference when it ended.
    """

    opponents: Annotated[float, Field(gt=0)] = 0.5

    def phases(self) -> list[Phase]:
        """Segment; then the other networks, one after another."""
        segment = Phase("segment", self.network.parameters(), self.losses, rate=lambda step: self.rate_share)
        return [segment] if self.weight == 0 else [segment, *self.others()]

    def others(self) -> list[Phase]:
        """The phases of the other networks."""
        raise NotImplementedError

    def opponents_rate(self, step: int) -> float:
        """Of the learning rate, for the other networks' phases."""
        return self.opponents

    def consistency_loss(self, batch: Batch, step: int) -> Tensor:
        """L_U: what the other networks ask of the segmenter."""
        raise NotImplementedError
