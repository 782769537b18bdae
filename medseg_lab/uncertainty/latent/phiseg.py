"""PHiSeg [82] (section 4.1.1)."""

from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.networks.blocks import crop
from medseg_lab.networks.encoder_decoder import encoder_decoder
from medseg_lab.uncertainty.bayes_conv import standard_normal
from medseg_lab.uncertainty.latent.gaussian import LatentGaussian, latent_kl, warmed_up, with_label
from medseg_lab.uncertainty.latent.hierarchy import Hierarchy, Likelihood, partial_sums
from medseg_lab.uncertainty.sampled import Sampled


class PHiSeg(Sampled):
    """Latent maps of several resolutions, each drawn given the coarser ones, give the segmentation.

    The prior says p(z_l | z_>l, x) for each level l; in training the maps are drawn from the posterior
    q(z_l | z_>l, x, y), which sees a rater's label, too. The logits of a level are read off its map and the
    coarser ones, enlarged, and summed over the levels. The loss is the negative evidence bound

        E_q [-log p(y | z)] + beta sum_l w^l KL(q(z_l | z_>l, x, y) || p(z_l | z_>l, x)),

    level 0 the finest.

    The paper's: the factors of prior, posterior and likelihood, and the sum over levels. The released code's:
    two channels a map; to the loss each level adds the cross-entropy of the sum of its logits and all coarser
    ones, all with weight 1 (`deep`); its divergences have the weights 4^l, which make up for the fewer
    variables of coarse maps; batch norm, a learning rate of 1e-3, millions of steps; and the energy distance
    is that of 50 samples (ours, of as many as the judge draws). Ours: prior and posterior have the encoder of
    the `network` and a decoder of their own, to whose features the maps are added; the mean in place of the
    sum over voxels, and a growing weight of the divergences, as in `ProbabilisticUNet`; and no norm in the
    likelihood. Prior and posterior have norms, so they keep pace with the rest.

    Args:
        network: an `EncoderDecoder`; its levels are those of the hierarchy.
        latents: L, the channels of each latent map.
        levels: how many levels have one, from the finest on; None for all. Those below are deterministic.
        beta: weight of the divergences; each is divided by the voxels of a patch, as in `ProbabilisticUNet`.
        warm_up: as in `ProbabilisticUNet`.
        growth: w; 1 gives the bound itself, 4 is the released code's.
        deep: False takes the cross-entropy of the sum over all levels alone, which is the bound's.
        initial_std: standard deviation of all Gaussians before training, nearly.

    Raises:
        ValueError: for a network that is no `EncoderDecoder`, or more levels than it has.
    """

    latents: Annotated[int, Field(ge=1)] = 2
    levels: Annotated[int, Field(ge=1)] | None = None
    beta: Annotated[float, Field(ge=0)] = 1.0
    growth: Annotated[float, Field(gt=0)] = 1.0
    deep: bool = True
    warm_up: Annotated[float, Field(ge=0, le=1)] = 0.5
    initial_std: Annotated[float, Field(gt=0)] = 1.0

    def build(self) -> None:
        """Prior and posterior network, and what reads the segmentation off the maps."""
        super().build()
        dims, classes = self.task.spatial_dims, len(self.task.classes)
        network = encoder_decoder(self.network)
        widths = network.widths
        levels = len(widths) if self.levels is None else self.levels
        if levels > len(widths):
            raise ValueError(
                f"PHiSeg: levels: expected 1 to {len(widths)}, those of the network, got {levels}"
            )
        hierarchy = partial(
            Hierarchy, spatial_dims=dims, levels=levels, latents=self.latents, initial_std=self.initial_std
        )
        self.network = hierarchy(network)
        self.posterior = hierarchy(
            encoder_decoder(self.new_network(in_channels=self.task.channels + classes))
        )
        self.likelihood = Likelihood(
            dims, self.latents, classes, widths[:levels], network.strides[: levels - 1]
        )

    @property
    def prior(self) -> Hierarchy:
        """The network that predicts: it sees no label."""
        found: Hierarchy = self.network
        return found

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The terms of the bound, per voxel: `kl 0` is that of the finest level."""
        divergences, latents = self.inferred(batch.image, batch.label)
        logits = self.logits(latents, batch.image)
        terms = [self.loss(each, batch.label) for each in (logits if self.deep else logits[:1])]
        self.note(kl=torch.stack(divergences).sum(dim=0).mean())
        scale = self.beta * warmed_up(step, self.steps, self.warm_up) / batch.label[0].numel()
        return {self.loss_name: torch.stack(terms).sum()} | {
            f"kl {level}": scale * self.growth**level * each.mean() for level, each in enumerate(divergences)
        }

    def inferred(self, image: Tensor, label: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The posterior's divergence from the prior at each level, `(N,)`, and its maps; finest first."""

        def draw(level: int, gaussian: LatentGaussian) -> Tensor:
            return gaussian.draw(standard_normal(gaussian.mean))

        posterior, latents = self.posterior.descend(self.told(image, label), draw)
        prior, _ = self.prior.descend(self.prior.encode(image), lambda level, _: latents[level])
        return [latent_kl(q, p) for q, p in zip(posterior, prior, strict=True)], latents

    def told(self, image: Tensor, label: Tensor) -> list[Tensor]:
        """The posterior's features of an image and its label, finest first."""
        return self.posterior.encode(with_label(image, label, len(self.task.classes)))

    def sample(self, image: Tensor, n: int) -> Tensor:
        """`n` descents of the prior; the image is encoded once."""
        return self.sample_of(self.prior, self.prior.encode(image), image, n)

    def sample_posterior(self, image: Tensor, label: Tensor, n: int) -> Tensor:
        """As `sample`, of the posterior under a label `(N, *S)`: shows whether the code carries the label."""
        return self.sample_of(self.posterior, self.told(image, label), image, n)

    def sample_of(self, hierarchy: Hierarchy, encoded: list[Tensor], image: Tensor, n: int) -> Tensor:
        """Probabilities `(n, N, K, *S)` of `n` descents of prior or posterior."""
        noise = [torch.randn((n, 1, self.latents, *x.shape[2:]), device=image.device) for x in encoded]
        found = []
        for i in range(n):
            these = [each[i] for each in noise]
            _, latents = hierarchy.descend(encoded, partial(_drawn, these))
            found.append(self.logits(latents, image)[0].softmax(dim=1))
        return torch.stack(found)

    def logits(self, latents: list[Tensor], image: Tensor) -> Tensor:
        """Logits `(levels, N, K, *S)`, float32: the sums over each level and the coarser ones."""
        return crop(partial_sums(self.likelihood(latents)), image.shape[2:])


def _drawn(noise: list[Tensor], level: int, gaussian: LatentGaussian) -> Tensor:
    """A level's map under its noise."""
    return gaussian.draw(noise[level])
