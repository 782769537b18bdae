"""Multi-task attention-based semi-supervised learning: MASSL [67] (section 3.2, figure 14)."""

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.networks.blocks import CONV, crop
from medseg_lab.networks.encoder_decoder import Decoder, encoder_decoder
from medseg_lab.semi.consistency import Consistency
from medseg_lab.training.learner import Phase


class MASSL(Consistency):
    """A second decoder rebuilds the image, class by class, each where the network predicts that class.

    Training alternates, as the authors prefer: in each step the segmentation learns from the labelled
    patches, then encoder and second decoder from all patches. The predicted mask is a gate, which no gradient
    passes. The second decoder reads the deepest features alone: with skip connections it would copy.

    The network is any `EncoderDecoder`. The second phase has an optimiser of its own, AdamW, in whose steps
    any factor of the loss cancels. So weight and ramp are factors of its learning rate.

    Args:
        weight: the second phase's learning rate over the first's, once it has come in.
    """

    weight: Annotated[float, Field(ge=0)] = 1.0

    term = "error"

    def build(self) -> None:
        """The network, and the second decoder."""
        super().build()
        network = encoder_decoder(self.network)
        dims, channels = self.task.spatial_dims, len(self.task.classes) * self.task.channels
        self.rebuilder = Decoder(dims, network.widths, network.strides, skips=False)
        self.rebuilt_image = CONV[dims](network.widths[0], channels, 1)

    def phases(self) -> list[Phase]:
        """Segment; then rebuild, at w(step) times the learning rate."""
        segment = Phase("segment", self.network.parameters(), self.supervised)
        if self.weight == 0:
            return [segment]
        parts = (self.network.encoder, self.rebuilder, self.rebuilt_image)
        shared = [parameter for part in parts for parameter in part.parameters()]
        return [segment, Phase("rebuild", shared, self.unsupervised, rate=self.rebuilding_rate)]

    def rebuilding_rate(self, step: int) -> float:
        """w(step): what of the learning rate the second phase has."""
        return self.weight * self.ramp_weight(step)

    def unsupervised(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """L_U without a factor."""
        return {self.term: self.consistency_loss(batch, step)}

    def consistency_loss(self, batch: Batch, step: int) -> Tensor:
        """The mean over all patches of g_k (r_k - x)^2: r_k rebuilt for class k, g_k its gate."""
        image = torch.cat((batch.image, self.unlabelled(batch)))
        rebuilt, gate = self.rebuilt(image)
        return (gate.unsqueeze(2) * (rebuilt - image.unsqueeze(1)).square()).sum(dim=1).mean()

    def rebuilt(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The image as each class rebuilds it, `(N, K, C, *S)`, and the gates, `(N, K, *S)`, 0 or 1."""
        encoded = self.network.encode(image)
        with torch.no_grad():
            predicted = self.network.scores(encoded, image.shape[2:]).argmax(dim=1)
        gate = F.one_hot(predicted, len(self.task.classes)).movedim(-1, 1)
        flat = crop(self.rebuilt_image(self.rebuilder(encoded)), image.shape[2:]).float()
        return flat.unflatten(1, (len(self.task.classes), self.task.channels)), gate
