"""Monte Carlo dropout [27, 78] (section 4.1.2): dropout at test time as draws from a posterior."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from medseg_lab.networks.unet import UNet
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty.sampled import Resampled

CHANNELWISE = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
KINDS = (nn.Dropout, *CHANNELWISE)
VOXELS = {"cpu": 2**16, "cuda": 2**22}
"""Voxels that go through the network together."""


class MCDropout(Resampled):
    """A learner trained with dropout, whose dropout stays on: each pass leaves out other channels.

    Only the dropout modules are switched on. All else is in evaluation mode, so batch norm takes its running
    statistics, and with p = 0 every pass is the learner's own prediction. The passes go through the network
    together, up to rounding with the result of one after the other. Where dropout sits in the coarsest
    features alone, as in our U-Net, the encoder is computed once.

    Departure from the papers: the patches of a pass share its mask, so that windows of one image fit
    together.

    Args:
        learner: trained with dropout.

    Raises:
        ValueError: if it has no dropout.
    """

    def build(self) -> None:
        """Look for its dropout."""
        super().build()
        if not dropouts(self.learner):
            name = type(self.learner).__name__
            raise ValueError(f"MCDropout: learner: expected a network with dropout, got {name} without any")

    def sample(self, image: Tensor, n: int) -> Tensor:
        """`n` passes, each under masks of its own."""
        # A seed a pass: its masks depend neither on N nor on how many passes go together.
        seeds = torch.randint(2**62, (n,)).tolist()
        together = max(1, VOXELS.get(image.device.type, VOXELS["cpu"]) // image[:, 0].numel())
        chunks = [seeds[start : start + together] for start in range(0, n, together)]
        run = self._decoded if self._only_coarsest else self._whole
        return torch.cat(list(run(image, chunks)))

    @property
    def _only_coarsest(self) -> bool:
        """Whether the prediction is the softmax of a U-Net whose one dropout is that of the coarsest maps."""
        plain = isinstance(self.learner, Supervised) and type(self.learner).predict is Supervised.predict
        network = getattr(self.learner, "network", None)
        return plain and type(network) is UNet and dropouts(network) == [network.dropout]

    def _whole(self, image: Tensor, chunks: Sequence[list[int]]) -> Iterator[Tensor]:
        """The learner's predictions `(passes, N, K, *S)`, chunk by chunk."""
        for seeds in chunks:
            with masks(self.learner, seeds):
                found = self.learner.predict(repeated(image, len(seeds)))
            yield found.unflatten(0, (len(seeds), len(image)))

    def _decoded(self, image: Tensor, chunks: Sequence[list[int]]) -> Iterator[Tensor]:
        """The same, with one pass through the encoder."""
        network: UNet = self.learner.network
        *finer, coarsest = network.encode(image)
        for seeds in chunks:
            encoded = [repeated(x, len(seeds)) for x in (*finer, coarsest)]
            with masks(network, seeds):
                encoded[-1] = network.dropout(encoded[-1])
            logits = network.scores(encoded, image.shape[2:])
            yield logits.float().softmax(dim=1).unflatten(0, (len(seeds), len(image)))


def dropouts(module: nn.Module) -> list[nn.Module]:
    """The dropout modules inside a module."""
    return [m for m in module.modules() if isinstance(m, KINDS)]


def repeated(x: Tensor, times: int) -> Tensor:
    """`(N, ...)` to `(times * N, ...)`: all N, and all N again."""
    return x.repeat(times, *[1] * (x.ndim - 1))


def dropout_mask(module: nn.Dropout, shape: Sequence[int], seed: torch.Generator) -> Tensor:
    """1 / (1 - p) where something is kept, 0 where it is left out, `(C, *S)`; whole channels in `Dropout2d`.

    Args:
        module: whose p, and whose kind.
        shape: (C, *S) of what is masked.
        seed: where chance comes from; the mask lies on its device.
    """
    drawn = (shape[0], *[1] * (len(shape) - 1)) if isinstance(module, CHANNELWISE) else tuple(shape)
    keep = torch.rand(drawn, generator=seed, device=seed.device) >= module.p
    return keep.float() / (1 - module.p) if module.p < 1 else torch.zeros(drawn, device=seed.device)


@contextmanager
def masks(module: nn.Module, seeds: Sequence[int]) -> Iterator[None]:
    """Inside, dropout modules drop: pass i by masks drawn from seed i, one for all its patches.

    The modules are to be in evaluation mode, and to be given (passes * N, C, *S), pass by pass.
    """
    generators: list[torch.Generator] = []

    def drop(dropout: nn.Dropout, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        if not generators:
            generators.extend(torch.Generator(output.device).manual_seed(seed) for seed in seeds)
        draw = partial(dropout_mask, dropout, output.shape[1:])
        mask = torch.stack([draw(generator) for generator in generators]).to(output.dtype)
        return output * mask.repeat_interleave(len(output) // len(seeds), dim=0)

    hooks = [dropout.register_forward_hook(drop) for dropout in dropouts(module)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
