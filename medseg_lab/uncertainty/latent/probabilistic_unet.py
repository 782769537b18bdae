"""The Probabilistic U-Net [81] (section 4.1.1)."""

import torch
from torch import Tensor, nn

from medseg_lab.data.batch import Batch
from medseg_lab.data.reading import Reading
from medseg_lab.data.task import Task
from medseg_lab.losses.cross_entropy import cross_entropy
from medseg_lab.networks.blocks import CONV, leaky_relu
from medseg_lab.networks.unet import UNet
from medseg_lab.training.recipe import Recipe
from medseg_lab.uncertainty.latent.gaussian import LatentGaussian, ToGaussian, latent_kl
from medseg_lab.uncertainty.latent.unets import checked_unet, encoder_of, widths, with_label
from medseg_lab.uncertainty.sampled import Sampled


class ProbabilisticUNet(Sampled):
    """A U-Net whose last layers read a latent code: each code is one way to segment the image.

    Where the code may lie is said by the prior network, from the image alone. In training it is drawn from
    the posterior network, which sees a rater's label, too; the loss is the negative evidence bound

        E_q [-log p(y | x, z)] + beta KL(q(z | x, y) || p(z | x)).

    The paper's: both encoders are that of the U-Net, a mean over space ends them, and three 1x1 convolutions
    read features and code. Recalled rather than read: a code of length 6, and that its networks have no norm.
    Ours: the U-Net keeps its norm, the encoders have none (`CodeEncoder` says why), and the last of the three
    convolutions is the U-Net's head.

    Args:
        task, reading, learning_rate, spatial_dims: as in `Sampled`.
        network: a `UNet`; prior and posterior have its encoder, with weights of their own.
        latents: L, the length of the code (the paper's 6).
        beta: weight of the divergence. The paper sums the cross-entropy over the pixels of an image; here it
            is their mean, so the divergence is divided by the voxels of a patch, and beta keeps its meaning.
        initial_std: standard deviation of prior and posterior before training, roughly.

    Raises:
        ValueError: for a network that is not a U-Net, or a code of length 0.
    """

    network: UNet

    def __init__(
        self,
        task: Task,
        network: Recipe,
        latents: int = 6,
        beta: float = 1.0,
        initial_std: float = 1.0,
        reading: Reading = "random",
        learning_rate: float = 4e-3,
        spatial_dims: int | None = None,
    ) -> None:
        if latents < 1:
            raise ValueError(f"latents: got {latents}, wanted 1 or more")
        super().__init__(task, network, 1, reading, learning_rate, spatial_dims)
        dims, classes = self.task.spatial_dims, len(self.task.classes)
        self.latents, self.beta = latents, beta
        self.fuse = Fuse(dims, widths(checked_unet(self.network))[0], latents)
        without_norm = Recipe(network.target, network.arguments | {"norm": "none"})
        self.prior, self.posterior = (
            CodeEncoder(
                without_norm.build(in_channels=channels, out_channels=classes, spatial_dims=dims),
                dims,
                latents,
                initial_std,
            )
            for channels in (self.task.channels, self.task.channels + classes)
        )

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The two terms of the bound, per voxel."""
        prior = self.prior(batch.image)
        posterior = self.posterior(with_label(batch.image, batch.label, len(self.task.classes)))
        code = posterior.draw(torch.randn_like(posterior.mean))
        logits = self.logits(self.features(batch.image), code)
        divergence = latent_kl(posterior, prior).mean() / batch.label[0].numel()
        return {"cross_entropy": cross_entropy(logits, batch.label), "kl": self.beta * divergence}

    def sample(self, image: Tensor, n: int) -> Tensor:
        """`n` codes of the prior; what does not depend on the code is computed once."""
        noise = torch.randn((n, 1, self.latents), device=image.device)
        codes, features = self.prior(image).draw(noise), self.features(image)
        return torch.stack([self.logits(features, code).float().softmax(dim=1) for code in codes])

    def features(self, image: Tensor) -> Tensor:
        """What the first of the three 1x1 convolutions makes of the U-Net's features, `(N, F_0, *S)`."""
        encoded = self.network.encode(image)
        return self.fuse.image(self.network.decode(encoded, image.shape[2:]))

    def logits(self, features: Tensor, code: Tensor) -> Tensor:
        """Logits `(N, K, *S)` under codes `(N, L)`."""
        return self.network.head(self.fuse(features, code))


class Fuse(nn.Module):
    """Puts a code beside the features of each voxel: the first two of the paper's three 1x1 convolutions.

    The third is the head of the U-Net. The first one is linear, so its part for the features and its part
    for the code, which is the same for all voxels, are computed apart and added.
    """

    def __init__(self, spatial_dims: int, features: int, latents: int) -> None:
        super().__init__()
        self.image = CONV[spatial_dims](features, features, 1)
        self.code = nn.Linear(latents, features, bias=False)
        self.mix = CONV[spatial_dims](features, features, 1)
        self.activation = leaky_relu(features)

    def forward(self, read: Tensor, code: Tensor) -> Tensor:
        """`read = image(features)`, `(N, F_0, *S)`, and codes `(N, L)`, to `(N, F_0, *S)`."""
        offset = self.code(code).unflatten(1, (-1, *[1] * (read.ndim - 2)))
        return self.activation(self.mix(self.activation(read + offset)))


class CodeEncoder(nn.Module):
    """Prior or posterior network: the encoder of a U-Net, the mean over space, and the code's Gaussian.

    The encoder is to have no norm: an instance norm before a mean over space takes away how much of the patch
    is marked, the first thing a code has to tell.
    """

    def __init__(self, unet: UNet, spatial_dims: int, latents: int, initial_std: float) -> None:
        super().__init__()
        self.to_gaussian = ToGaussian(spatial_dims, widths(unet)[-1], latents, initial_std)
        self.unet = encoder_of(unet)

    def forward(self, x: Tensor) -> LatentGaussian:
        """Of images, or of images with their labels, `(N, C, *S)`: a Gaussian over codes, `(N, L)`."""
        coarsest = self.unet.encode(x)[-1]
        pooled = coarsest.float().mean(dim=tuple(range(2, x.ndim)), keepdim=True)
        mean, log_std = self.to_gaussian(pooled)
        return LatentGaussian(mean.flatten(1), log_std.flatten(1))
