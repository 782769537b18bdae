"""U-Net++ [28] (section 2.1.1, figure 2)."""

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from medseg_lab.networks.blocks import (
    CONV,
    MAX_POOL,
    DoubleConv,
    NormName,
    check_network,
    crop,
    pad_to_multiple,
    up,
)


class UNetPlusPlus(nn.Module):
    """A U-Net whose skips are filled with convolutions: nodes x(i, j) at level i, j steps from the encoder.

    x(i, 0) is the encoder. x(i, j) reads every earlier node of its level, x(i, 0) to x(i, j - 1), and x(i +
    1, j - 1) up-sampled. Each x(0, j) with j > 0 has a head of its own, trained by deep supervision
    (`heads`). So the network holds a U-Net of every depth, and can be cut to depth j after training:
    `forward(image, depth=j)` computes the nodes with i + j' <= j only. `forward(image)` is the deepest head
    (the paper's "fast mode"; its "accurate mode" is the mean of `heads`).

    Padding and cropping as in `UNet`; departures from the paper are those of `blocks`. The paper's widths
    are `features=(32, 64, 128, 256, 512)`.

    Args:
        in_channels: C, the image channels.
        out_channels: K, the classes.
        spatial_dims: 2 or 3.
        features: channels of each level, finest first.
        norm: "instance", "batch" or "none".
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
        self.head = nn.ModuleList(CONV[spatial_dims](features[0], out_channels, 1) for _ in range(self.depth))

    def _nodes(self, image: Tensor, depth: int) -> dict[tuple[int, int], Tensor]:
        """The nodes that depth `depth` needs: `x[i, j]` is `(N, F_i, *S / 2^i)`."""
        image = pad_to_multiple(image, self.multiple)
        x: dict[tuple[int, int], Tensor] = {}
        for level in range(depth + 1):
            # One level further down the encoder, then up the diagonal that it opens.
            x[level, 0] = self.node[f"{level},0"](self.pool(x[level - 1, 0]) if level else image)
            for j in range(1, level + 1):
                i = level - j
                below = self.up[f"{i},{j}"](x[i + 1, j - 1])  # (N, F_i, *S / 2^i)
                dense = torch.cat([*(x[i, k] for k in range(j)), below], dim=1)  # (N, (j + 1) F_i, *S / 2^i)
                x[i, j] = self.node[f"{i},{j}"](dense)
        return x

    def heads(self, image: Tensor) -> tuple[Tensor, ...]:
        """The logits of every depth, shallowest first, each `(N, K, *S)`."""
        x = self._nodes(image, self.depth)
        return tuple(crop(head(x[0, j]), image.shape[2:]) for j, head in enumerate(self.head, start=1))

    def forward(self, image: Tensor, depth: int | None = None) -> Tensor:
        """Logits `(N, K, *S)` of an image `(N, C, *S)`, by the network cut to `depth` (None: whole).

        Raises:
            ValueError: if the network has no such depth.
        """
        depth = self.depth if depth is None else depth
        self._check(depth)
        return crop(self.head[depth - 1](self._nodes(image, depth)[0, depth]), image.shape[2:])

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
        cut.head = cut.head[:depth]
        return cut

    def _check(self, depth: int) -> None:
        if not 1 <= depth <= self.depth:
            raise ValueError(f"depth: got {depth}, wanted 1 to {self.depth}")

    def stages(self) -> dict[str, nn.Module]:
        """The boxes of its diagram."""
        return {
            **{f"x({name})": stage for name, stage in self.node.items()},
            **{f"logits {j}": head for j, head in enumerate(self.head, start=1)},
        }
