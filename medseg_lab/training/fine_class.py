"""Fine class prediction: which classes are there, cell by cell [45] (survey 2.2.3)."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from medseg_lab.training.multitask import Multitask, presence_loss, present, strongest


class FineClass(Multitask):
    """Beside the pixels, predict which classes each cell of the down-sampled grid holds.

    A cell is what one of the deepest features stands for: 8 x 8 pixels under three halvings. A class is there
    if one pixel of the cell has it. So the deepest features have to know where things are, not only that
    they are there.

    Ours: which features the head reads; it is a single 1x1 convolution with a binary cross-entropy for each
    foreground class.

    Args:
        weight: of the loss of class presence.
        cells: False asks of the whole patch what is asked of each cell: the same head reads the strongest
            value of each feature. That is the prediction which the survey compares with this one.
    """

    weight: Annotated[float, Field(ge=0)] = 0.1
    cells: bool = True

    def class_logits(self, deepest: Tensor) -> Tensor:
        """`(N, K-1, *G)` from the deepest features `(N, F, *S')`."""
        found: Tensor = self.presence(deepest if self.cells else strongest(deepest))
        return found

    def tasks(self, deepest: Tensor, logits: Tensor, label: Tensor) -> dict[str, Tensor]:
        """One term, of the classes that are there."""
        there = present(label, len(self.task.classes), self.cell() if self.cells else None)
        return {"classes": self.weight * presence_loss(self.class_logits(deepest), there)}

    def classes(self, image: Tensor) -> Tensor:
        """The probability that each foreground class is there: `(N, C, *S)` to `(N, K-1, *G)`."""
        return self.class_logits(self.network.encode(image)[-1]).float().sigmoid()
