"""Few-shot GAN: Mondal et al. [72] (section 3.4)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from medseg_lab.data.batch import Batch
from medseg_lab.networks.blocks import CONV, conv, crop
from medseg_lab.networks.encoder_decoder import encoder_decoder
from medseg_lab.semi.adversarial import dropout_off
from medseg_lab.semi.adversaries.discriminator import fixed, standing, told_apart
from medseg_lab.semi.adversaries.game import Game
from medseg_lab.training.learner import Phase

DOUBLED = 4
"""How often an image is doubled: it begins with a place for each 2^4 = 16 voxels."""


class ImageGenerator(nn.Module):
    """Images out of noise, z-scored as the real ones are: `(N, C, *S)`.

    Noise at a few places, then convolutions and doublings in turn.

    Args:
        spatial_dims: 2 or 3.
        channels: C.
        width: channels of the finest convolution; twice as many at each coarser one.
    """

    def __init__(self, spatial_dims: int, channels: int, width: int = 16) -> None:
        super().__init__()
        widths = [width * 2**level for level in reversed(range(DOUBLED))]
        self.noise = widths[0]
        self.layers = nn.Sequential(
            *(
                nn.Sequential(nn.Upsample(scale_factor=2), conv(spatial_dims, here, finer))
                for here, finer in pairwise((widths[0], *widths))
            ),
            CONV[spatial_dims](widths[-1], channels, 1, bias=False),
        )

    def forward(self, like: Tensor) -> Tensor:
        """New images in each call, from PyTorch's global generator, as many and as large as `like`."""
        shape = like.shape[2:]
        places = [-(-edge // 2**DOUBLED) for edge in shape]
        z = torch.randn((len(like), self.noise, *places), device=like.device)
        return F.instance_norm(crop(self.layers(z), shape).float())


class FewShotGAN(Game):
    """The segmenter is the discriminator: what is generated belongs to one more class, K + 1.

    Beside the logits l_1 to l_K, that of class K + 1 is a constant c, which costs no generality, since a
    softmax knows differences alone. With Z the sum of all exp(l_k), the logit of a voxel's being real is
    log Z - c. In the paper c is 0. After labels alone log Z is large everywhere, and all would be real at
    first; so here c is the mean of log Z in the first step. Of unlabelled patches the segmenter is asked
    that each voxel be real, whichever class it has, of generated ones that none be, and of labelled ones what
    its supervised twin is asked. What it predicts is a softmax over the K classes, as ever.

    The generator is trained by feature matching: the mean over patches of the segmenter's deepest encoded
    features is to be the same for its images as for unlabelled ones. A generator that were too good would
    teach nothing; images that are nearly real lie between the classes, where a border should be.

    Noted: `discriminator_accuracy`, the share of the voxels that are rightly told to be unlabelled or
    generated; and `matching`, the generator's loss over the mean square of the real features.

    Departures: after an instance norm the mean of a channel is the same in every image, so what is the same
    all over an image cannot be told from its features. (The authors have weight norms.) So the patches of
    which the segmenter is asked are unlabelled in one half and generated in the other, and generated images
    are z-scored, as real ones are. The authors' z is a vector.

    Args:
        weight: of the two terms about what is real.
        ramp: shorter than in other methods, since the segmenter knows its task when the game begins.
        width: channels of the generator's last convolution.
    """

    weight: Annotated[float, Field(ge=0)] = 1.0
    ramp: Annotated[float, Field(gt=0, le=1)] = 0.25
    width: Annotated[int, Field(ge=1)] = 16

    term = "real"

    def build(self) -> None:
        """The segmenter, and the generator."""
        super().build()
        encoder_decoder(self.network)
        self.level: Tensor
        self.register_buffer("level", torch.zeros(()))
        self.generator = ImageGenerator(self.task.spatial_dims, self.task.channels, self.width)

    def others(self) -> list[Phase]:
        """The generator."""
        moved = self.generator.parameters()
        return [Phase("generator", moved, self.generator_losses, rate=self.opponents_rate)]

    def consistency_loss(self, batch: Batch, step: int) -> Tensor:
        """Voxels of unlabelled patches have one of the K classes, those of generated ones class K + 1."""
        image = self.unlabelled(batch)
        with torch.no_grad():
            generated = self.generator(image)
        true = half(image.shape[2:], image.device)
        evidence = log_sum(self.network(torch.where(true, image, generated)))  # (M, *S)
        if step == 0:
            self.level.copy_(evidence.detach().mean())
        evidence = evidence - self.level
        real, other = evidence[:, true], evidence[:, ~true]
        self.note(**standing(real, other))
        return told_apart(real, other)

    def generator_losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """||E f(x) - E f(G(z))||^2 per feature: E over patches, f the deepest encoded features."""
        image = self.unlabelled(batch)
        with dropout_off(self.network):
            wanted, found = (
                fixed(Deepest(self.network), each).float().mean(dim=0)
                for each in (image, self.generator(image))
            )
        loss = F.mse_loss(found, wanted)
        self.note(matching=loss.detach() / wanted.square().mean())
        return {"matching": loss}


class Deepest(nn.Module):
    """What a network's encoder gives at its coarsest level, `(N, F, *S')`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """The features of an image `(N, C, *S)`."""
        found: Tensor = encoder_decoder(self.network).encode(image)[-1]
        return found


def half(shape: Sequence[int], device: torch.device) -> Tensor:
    """A random half of a patch `(*S)`, booleans: on one side of its middle, across an axis that is drawn."""
    axes = [axis for axis, edge in enumerate(shape) if edge > 1]
    axis, side = axes[int(torch.randint(len(axes), ()))], bool(torch.randint(2, ()))
    first = torch.arange(shape[axis], device=device) < shape[axis] // 2
    lying = [-1 if each == axis else 1 for each in range(len(shape))]
    return (first == side).view(lying).expand(*shape)


def log_sum(logits: Tensor) -> Tensor:
    """log Z of `(N, K, *S)`, as `(N, *S)`: where class K + 1 has a logit of 0, the logit of being real."""
    return logits.float().logsumexp(dim=1)
