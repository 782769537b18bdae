"""Elastic transformation consistency: semiTC [63] (section 3.2)."""

import torch
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.semi.agreement import squared_error
from medseg_lab.semi.consistency import Consistency
from medseg_lab.semi.transforms.warp import draw_warp


class SemiTC(Consistency):
    """Two elastic warps of an image must give predictions that match in one frame.

    On labelled and unlabelled images alike. The gradient flows through both predictions, and through the
    warp that brings the first to the frame of the second.
    """

    def consistency_loss(self, batch: Batch, step: int) -> Tensor:
        """||y_2 - (t_2 o t_1^-1) y_1||^2 with y_i = f(t_i(x))."""
        image = torch.cat((batch.image, self.unlabelled(batch)))
        first, second = draw_warp(image), draw_warp(image)
        across = first.inverse.then(second)
        return squared_error(
            self.student(second(image)),
            across(self.student(first(image))),
            kept=across.inside(image) & second.inside(image),
        )
