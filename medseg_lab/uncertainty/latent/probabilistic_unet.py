"""The Probabilistic U-Net [81] (section 4.1.1)."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from medseg_lab.data.batch import Batch
from medseg_lab.networks.activations import activation_layer
from medseg_lab.networks.blocks import CONV
from medseg_lab.networks.encoder_decoder import encoder_decoder
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.unetpp import UNetPlusPlus
from medseg_lab.training.learner import Phase
from medseg_lab.uncertainty.latent.gaussian import (
    LatentGaussian,
    ToGaussian,
    latent_kl,
    warmed_up,
    with_he_weights,
    with_label,
)
from medseg_lab.uncertainty.sampled import Sampled


class ProbabilisticUNet(Sampled):
    """A U-Net whose last layers read a latent code: each code is one way to segment the image.

    The prior network gives the distribution of the code from the image alone. In training the code is drawn
    from the posterior network, which sees a rater's label, too; the loss is the negative evidence bound

        E_q [-log p(y | x, z)] + beta KL(q(z | x, y) || p(z | x)).

    The paper's: both encoders are that of the U-Net, a mean over space ends them, and 1x1 convolutions read
    features and code. The released code's: a code of 6, three hidden 1x1 convolutions and then the logits, no
    norm anywhere, a learning rate of 1e-4 for 240,000 steps. Ours: the network may be any `EncoderDecoder`
    and keeps its norm; the encoders are those of a U-Net of its widths without norm (`CodeEncoder` says why);
    they learn more slowly than the rest (`pace`), because without norm the rate of the others makes their
    divergence leap; Gaussians that begin alike (`ToGaussian`); and a weight of the divergence that grows.

    Args:
        network: an `EncoderDecoder`.
        latents: L, the length of the code.
        beta: weight of the divergence. The paper sums the cross-entropy over the pixels of an image; here it
            is their mean, so the divergence is divided by the voxels of a patch, and beta keeps its meaning.
        warm_up: the share of the training over which the divergence's weight grows from 0 to beta.
        pace: the share of the learning rate that the encoders of prior and posterior have.
        initial_std: standard deviation of prior and posterior before training, nearly.

    Raises:
        ValueError: for a network that is no `EncoderDecoder`.
    """

    latents: Annotated[int, Field(ge=1)] = 6
    beta: Annotated[float, Field(ge=0)] = 1.0
    warm_up: Annotated[float, Field(ge=0, le=1)] = 0.5
    pace: Annotated[float, Field(gt=0, le=1)] = 0.25
    initial_std: Annotated[float, Field(gt=0)] = 1.0

    def build(self) -> None:
        """The network, what joins it with a code, and the encoders of prior and posterior."""
        super().build()
        dims, classes = self.task.spatial_dims, len(self.task.classes)
        widths = encoder_decoder(self.network).widths
        if isinstance(self.network, UNetPlusPlus):
            self.network.logits = self.network.logits[-1:]  # nothing reads the heads of its shallower depths
        self.fuse = Fuse(dims, widths[0], self.latents)
        self.prior, self.posterior = (
            CodeEncoder(
                UNet(channels, classes, dims, widths, norm="none"), dims, self.latents, self.initial_std
            )
            for channels in (self.task.channels, self.task.channels + classes)
        )

    def phases(self) -> list[Phase]:
        """One; the encoders of prior and posterior have a slower pace in it."""
        slower = [*self.prior.parameters(), *self.posterior.parameters()]
        return [Phase("train", self.parameters(), self.losses, slower={self.pace: slower})]

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The two terms of the bound, per voxel."""
        prior, posterior = self.prior(batch.image), self.inferred(batch.image, batch.label)
        code = posterior.draw(torch.randn_like(posterior.mean))
        logits = self.logits(self.features(batch.image), code)
        divergence = latent_kl(posterior, prior).mean()
        self.note(kl=divergence)
        weight = self.beta * warmed_up(step, self.steps, self.warm_up) / batch.label[0].numel()
        return {self.loss_name: self.loss(logits, batch.label), "kl": weight * divergence}

    def inferred(self, image: Tensor, label: Tensor) -> LatentGaussian:
        """The posterior of the code: what a label `(N, *S)` of an image says of it, `(N, L)`."""
        found: LatentGaussian = self.posterior(with_label(image, label, len(self.task.classes)))
        return found

    def sample(self, image: Tensor, n: int) -> Tensor:
        """`n` codes of the prior; what does not depend on the code is computed once."""
        return self.sample_of(self.prior(image), image, n)

    def sample_posterior(self, image: Tensor, label: Tensor, n: int) -> Tensor:
        """As `sample`, of the posterior under a label `(N, *S)`: shows whether the code carries the label."""
        return self.sample_of(self.inferred(image, label), image, n)

    def sample_of(self, gaussian: LatentGaussian, image: Tensor, n: int) -> Tensor:
        """Probabilities `(n, N, K, *S)` under `n` codes of a Gaussian."""
        noise = torch.randn((n, 1, self.latents), device=image.device)
        codes, features = gaussian.draw(noise), self.features(image)
        return torch.stack([self.logits(features, code).float().softmax(dim=1) for code in codes])

    def features(self, image: Tensor) -> Tensor:
        """What the first of the 1x1 convolutions makes of the network's features, `(N, F_0, *S)`."""
        decoded = self.network.decode(self.network.encode(image), image.shape[2:])
        found: Tensor = self.fuse.image(decoded)
        return found

    def logits(self, features: Tensor, code: Tensor) -> Tensor:
        """Logits `(N, K, *S)` under codes `(N, L)`."""
        found: Tensor = self.network.head(self.fuse(features, code))
        return found


class Fuse(nn.Module):
    """Puts a code beside the features of each voxel: the three hidden 1x1 convolutions of the released code.

    The head of the network follows. The first one is linear, so its part for the features and its part for
    the code, which is the same for all voxels, are computed apart and added. Their first weights are
    orthogonal, as in the released code: PyTorch's own would make what the code says smaller layer by layer.
    """

    def __init__(self, spatial_dims: int, features: int, latents: int) -> None:
        super().__init__()
        self.image = CONV[spatial_dims](features, features, 1)
        self.code = nn.Linear(latents, features, bias=False)
        self.mix = nn.ModuleList(CONV[spatial_dims](features, features, 1) for _ in range(2))
        self.activation = activation_layer("leaky_relu", features)
        for layer in (self.image, self.code, *self.mix):
            nn.init.orthogonal_(layer.weight)

    def forward(self, read: Tensor, code: Tensor) -> Tensor:
        """`read = image(features)`, `(N, F_0, *S)`, and codes `(N, L)`, to `(N, F_0, *S)`."""
        offset = self.code(code).unflatten(1, (-1, *[1] * (read.ndim - 2)))
        x = self.activation(read + offset)
        for mix in self.mix:
            x = self.activation(mix(x))
        return x


class CodeEncoder(nn.Module):
    """Prior or posterior network: the encoder of a U-Net, the mean over space, and the code's Gaussian.

    The encoder is to have no norm: an instance norm before a mean over space takes away how much of the patch
    is marked, the first thing a code has to tell. So its first weights are He's, as in the released code.
    """

    def __init__(self, unet: UNet, spatial_dims: int, latents: int, initial_std: float) -> None:
        super().__init__()
        self.to_gaussian = ToGaussian(spatial_dims, unet.widths[-1], latents, initial_std)
        self.unet = with_he_weights(unet.encoder_alone())

    def forward(self, x: Tensor) -> LatentGaussian:
        """Of images, or of images with their labels, `(N, C, *S)`: a Gaussian over codes, `(N, L)`."""
        coarsest = self.unet.encode(x)[-1]
        pooled = coarsest.float().mean(dim=tuple(range(2, x.ndim)), keepdim=True)
        mean, log_std = self.to_gaussian(pooled)
        return LatentGaussian(mean.flatten(1), log_std.flatten(1))
