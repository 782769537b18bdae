"""Pi-model [65] (section 3.2)."""

from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.semi.agreement import squared_error
from medseg_lab.semi.consistency import Consistency
from medseg_lab.semi.noise import noisy


class PiModel(Consistency):
    """Two noisy passes over one image must agree; noise and dropout are drawn anew for each.

    The gradient flows through both passes.
    """

    def consistency_loss(self, batch: Batch, step: int) -> Tensor:
        """The squared error between the two."""
        image = self.unlabelled(batch)
        first, second = (self.student(noisy(image)) for _ in range(2))
        return squared_error(first, second)
