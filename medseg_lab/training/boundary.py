"""A second head that finds boundaries, trained beside the classes: the branch of [39] (survey 2.1.3)."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.networks.blocks import CONV, MAX_POOL
from medseg_lab.networks.encoder_decoder import encoder_decoder
from medseg_lab.training.supervised import Supervised, activity


class BoundarySupervised(Supervised):
    """Full supervision of the classes, and of the voxels where two classes meet, read from the same features.

    Departure: the branch of [39] has layers of its own and feeds the segmentation; here it is one 1x1
    convolution, which is not used in a prediction, so that what it adds comes from its loss alone.

    Args:
        boundary_weight: of the boundary's loss; 1 is for as much as the classes'.
    """

    boundary_weight: Annotated[float, Field(ge=0)] = 1.0

    def build(self) -> None:
        """The network, and the boundary's head."""
        super().build()
        self.boundary = CONV[self.task.spatial_dims](encoder_decoder(self.network).widths[0], 2, 1)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The loss of the classes, and the same of "boundary" against "no boundary"."""
        features = self.network.decode(self.network.encode(batch.image), batch.image.shape[2:])
        self.note(**activity(self.network))
        edge = self.loss(self.boundary(features), boundary_of(batch.label))
        classes = self.loss(self.network.head(features), batch.label)
        return {self.loss_name: classes, "boundary": self.boundary_weight * edge}


def boundary_of(label: Tensor) -> Tensor:
    """1 where a voxel or one beside it (diagonally, too) has another class, else 0: `(N, *S)` of `(N, *S)`.

    The boundary is two voxels wide. `IGNORE` where such a voxel is not annotated.
    """
    value = label[:, None].float()
    pool = MAX_POOL[label.ndim - 1](3, stride=1, padding=1)
    highest, lowest = (sign * pool(sign * value)[:, 0] for sign in (1, -1))
    return (highest != lowest).to(label.dtype).masked_fill(highest == IGNORE, IGNORE)
