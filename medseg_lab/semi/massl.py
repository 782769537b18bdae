"""Multi-task attention-based semi-supervised learning: MASSL [67] (section 3.2, figure 14)."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medseg_lab.data.batch import Batch
from medseg_lab.data.task import Task
from medseg_lab.networks.unet import UNet
from medseg_lab.semi.consistency import RAMP, WEIGHT, Consistency
from medseg_lab.training.learner import Phase
from medseg_lab.training.recipe import Recipe
from medseg_lab.training.supervised import LossName


class MASSL(Consistency):
    """A second decoder rebuilds the image, class by class, each where the network predicts that class.

    Training alternates, as the authors prefer: in each step the segmentation learns from the labelled
    patches, then encoder and second decoder from all patches. The predicted mask is a gate, which no gradient
    passes. The second decoder reads the deepest features alone: with skip connections it would copy.

    Args:
        task, network, weight, ramp, loss, learning_rate, spatial_dims: as in `Consistency`. The network is a
            `UNet`. The optimiser of the second phase is its own and scales its gradients, so that any weight
            above 0 does much the same.

    Raises:
        ValueError: for another network.
    """

    term = "error"

    def __init__(
        self,
        task: Task,
        network: Recipe,
        weight: float = WEIGHT,
        ramp: float = RAMP,
        loss: LossName = "dice_ce",
        learning_rate: float = 4e-3,
        spatial_dims: int | None = None,
    ) -> None:
        super().__init__(task, network, weight, ramp, loss, learning_rate, spatial_dims)
        if not isinstance(self.network, UNet):
            raise ValueError(
                f"network: got {type(self.network).__name__}, wanted UNet: its encoder is shared"
            )
        without_skips = Recipe(network.target, {**network.arguments, "skips": False})
        self.rebuilder: UNet = without_skips.build(
            in_channels=self.task.channels,
            out_channels=len(self.task.classes) * self.task.channels,
            spatial_dims=self.task.spatial_dims,
        )
        self.rebuilder.encoder = nn.ModuleList()  # the network's own is used

    @property
    def unet(self) -> UNet:
        """The network, which shares its encoder."""
        return cast(UNet, self.network)

    def phases(self) -> list[Phase]:
        """Segment; then rebuild."""
        shared = [*self.unet.encoder.parameters(), *self.rebuilder.parameters()]
        return [
            Phase("segment", self.network.parameters(), self.supervised),
            Phase("rebuild", shared, self.unsupervised),
        ]

    def disagreement(self, batch: Batch, step: int) -> Tensor:
        """The mean over all patches of g_k (r_k - x)^2: r_k rebuilt for class k, g_k its gate."""
        image = torch.cat((batch.image, self.unlabelled(batch)))
        rebuilt, gate = self.rebuilt(image)
        return (gate.unsqueeze(2) * (rebuilt - image.unsqueeze(1)).square()).sum(dim=1).mean()

    def rebuilt(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The image as each class rebuilds it, `(N, K, C, *S)`, and the gates, `(N, K, *S)`, 0 or 1."""
        encoded = self.unet.encode(image)
        with torch.no_grad():
            predicted = self.unet.scores(encoded, image.shape[2:]).argmax(dim=1)
        gate = F.one_hot(predicted, len(self.task.classes)).movedim(-1, 1)
        flat = self.rebuilder.scores(encoded, image.shape[2:]).float()
        return flat.unflatten(1, (len(self.task.classes), self.task.channels)), gate
