"""U-Net++ [28] (section 2.1.1, figure 2)."""

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from medseg_lab.networks.blocks import (
    CONV,
    MAX_POOL,
    DoubleConv,
    check_network,
    crop,
    pad_to_multiple,
    up,
)
from medseg_lab.networks.norms import NormName


class UNetPlusPlus(nn.Module):
    """A U-Net whose skips are filled with convolutions: nodes x(i, j) at level i, j steps from the encoder.

    x(i, 0) is the encoder. x(i, j) reads every earlier node of its level, x(i, 0) to x(i, j - 1), and x(i +
    1, j - 1) up-sampled. Each x(0, j) with j > 0 has a head of its own, trained by deep supervision
    (`heads`). So the network holds a U-Net of every depth, and can be cut to depth j after training:
    `forward(image, depth=j)` computes the nodes with i + j' <= j only. `forward(image)` is the deepest head
    (the paper's "fast mode"; its "accurate mode" is the mean of `heads`).

    Padding and cropping as in `UNet`. It is an `EncoderDecoder`; its encoder is x(i, 0). Departures from the
    paper are those of `blocks`. The paper's widths are `features=(32, 64, 128, 256, 512)`.

    Args:
        in_channels: C, the image channels.
        out_channels: K, the classes.
        spatial_dims: 2 or 3.
        features: channels of each level, finest first.
        norm: as in `UNet`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        spatial_dims: int = 2,
        features: Sequence[int] = (16, 32, 64, 128),
        norm: NormName = "instance",
    ) -> None:
        super().__init__()
        check_network(spatial_dims, features, at_least=2)
        self.widths, self.strides = tuple(features), (2,) * (len(features) - 1)
        self.depth = len(features) - 1
        self.multiple = 2**self.depth
        self.pool = MAX_POOL[spatial_dims](2)
        self.up, self.node = nn.ModuleDict(), nn.ModuleDict()
        for i, width in enumerate(features):
            above = features[i - 1] if i else in_channels
            self.node[f"{i},0"] = DoubleConv(spatial_dims, above, width, norm)
            for j in range(1, len(features) - i):
                self.up[f"{i},{j}"] = up(spatial_dims, features[i + 1], width)
                self.node[f"{i},{j}"] = DoubleConv(spatial_dims, (j + 1) * width, width, norm)
        self.logits = nn.ModuleList(
            CONV[spatial_dims](features[0], out_channels, 1) for _ in range(self.depth)
        )

    def encode(self, image: Tensor, depth: int | None = None) -> list[Tensor]:
        """The nodes x(i, 0) down to level `depth`, finest first, each `(N, F_i, *S / 2^i)`."""
        encoded = [self.node["0,0"](pad_to_multiple(image, self.multiple))]
        for i in range(1, (self.depth if depth is None else depth) + 1):
            encoded.append(self.node[f"{i},0"](self.pool(encoded[-1])))
        return encoded

    def nodes(self, encoded: Sequence[Tensor]) -> dict[tuple[int, int], Tensor]:
        """All nodes above the encoded ones: `x[i, j]` is `(N, F_i, *S / 2^i)`."""
        x = {(i, 0): features for i, features in enumerate(encoded)}
        for level in range(1, len(encoded)):
            for j in range(1, level + 1):  # up the diagonal that the level opens
                i = level - j
                below = self.up[f"{i},{j}"](x[i + 1, j - 1])  # (N, F_i, *S / 2^i)
                dense = torch.cat([*(x[i, k] for k in range(j)), below], dim=1)  # (N, (j + 1) F_i, *S / 2^i)
                x[i, j] = self.node[f"{i},{j}"](dense)
        return x

    def decode(self, encoded: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
        """The features that the deepest head reads, `(N, F_0, *shape)`, of encoded images."""
        return crop(self.nodes(encoded)[0, len(encoded) - 1], shape)

    def scores(self, encoded: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
        """Logits `(N, K, *shape)` of encoded images, by the head of their depth."""
        depth = len(encoded) - 1
        return crop(self.logits[depth - 1](self.nodes(encoded)[0, depth]), shape)

    def heads(self, image: Tensor) -> tuple[Tensor, ...]:
        """The logits of every depth, shallowest first, each `(N, K, *S)`."""
        x = self.nodes(self.encode(image))
        return tuple(crop(head(x[0, j]), image.shape[2:]) for j, head in enumerate(self.logits, start=1))

    def forward(self, image: Tensor, depth: int | None = None) -> Tensor:
        """Logits `(N, K, *S)` of an image `(N, C, *S)`, by the network cut to `depth` (None: whole).

        Raises:
            ValueError: if the network has no such depth.
        """
        depth = self.depth if depth is None else depth
        self._check(depth)
        return self.scores(self.encode(image, depth), image.shape[2:])

    def pruned(self, depth: int) -> "UNetPlusPlus":
        """A copy cut to `depth`, without the modules that it does not need; its logits are `forward`'s.

        Raises:
            ValueError: if the network has no such depth.
        """
        self._check(depth)
        cut = deepcopy(self)
        cut.depth = depth
        for stages in (cut.node, cut.up):
            for name in [n for n in stages if sum(map(int, n.split(","))) > depth]:
                del stages[name]
        cut.logits = cut.logits[:depth]
        cut.widths, cut.strides = self.widths[: depth + 1], self.strides[:depth]
        return cut

    @property
    def encoder(self) -> nn.ModuleList:
        """The modules of the nodes x(i, 0), finest first."""
        return nn.ModuleList(self.node[f"{i},0"] for i in range(self.depth + 1))

    @property
    def head(self) -> nn.Module:
        """The deepest head."""
        return self.logits[-1]

    def encoder_alone(self) -> "UNetPlusPlus":
        """Without decoder and heads, in place."""
        for name in [n for n in self.node if not n.endswith(",0")]:
            del self.node[name]
        self.up, self.logits = nn.ModuleDict(), nn.ModuleList()
        return self

    def _check(self, depth: int) -> None:
        if not 1 <= depth <= self.depth:
            raise ValueError(f"depth: expected 1 to {self.depth}, got {depth}")

    def stages(self) -> dict[str, nn.Module]:
        """The boxes of its diagram."""
        return {
            **{f"x({name})": stage for name, stage in self.node.items()},
            **{f"logits {j}": head for j, head in enumerate(self.logits, start=1)},
        }
