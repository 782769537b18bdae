"""Labels alone, with what a method of section 3.1 or 3.2 has besides its images without labels.

For the averaged weights of a teacher the control is `MeanTeacher(weight=0)`.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.semi.transforms.similarity import draw_similarity
from medseg_lab.training.supervised import Supervised


class LargerBatch(Supervised):
    """Labels alone, at the cost of a method: as many more labelled patches in each step.

    A step of a supervised network is a forward and a backward pass, three units of work. A step of Mean
    Teacher has seven: the student's two patches, and the teacher's forward pass. Self-training has three
    rounds of a sixth of the steps, with twice the patches each, on top of labels alone: twice the work.

    Args:
        times: labelled patches of a step, over what the budget gives; a step has a whole number.
    """

    times: Annotated[float, Field(gt=0)] = 7 / 3

    def build(self) -> None:
        """The network; its batches are larger."""
        super().build()
        self.batch_share = self.times


class TurnedLabels(Supervised):
    """Labels alone, turned as TCSM turns images without labels: T moves image and label alike.

    A network may gain from turned images without any consistency.
    """

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The supervised term on T(x) and T(y); what comes in from beyond the patch has no label."""
        turn = draw_similarity(tuple(batch.image.shape[2:]), batch.mirror)
        values = [*range(len(self.task.classes)), IGNORE]
        planes = torch.stack([batch.label == value for value in values], dim=1).float()  # (N, K + 1, *S)
        label = torch.tensor(values, device=planes.device)[turn(planes).argmax(dim=1)]
        label = label.where(turn.inside(batch.image), IGNORE)
        return super().losses(batch._replace(image=turn(batch.image), label=label), step)
