"""Where the branches of DeepLab's pyramid read, on the image (survey 1)."""

from typing import TYPE_CHECKING

import torch
from torch import nn

from medseg_lab.data.case import Case
from medseg_lab.networks.deeplab import STRIDE, Pyramid
from medseg_lab.show.contours import cut_slice, is_marked, middle, pictured, small_title
from medseg_lab.show.style import canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Offset = tuple[int, int]


def offsets(branch: nn.Module) -> list[Offset]:
    """Rows and columns, from a pixel of the map, that change what a 2D branch makes of it: by gradient."""
    layer = next(m for m in branch.modules() if isinstance(m, nn.Conv2d))
    reach = layer.dilation[0] * (layer.kernel_size[0] // 2)
    image = torch.zeros(1, layer.in_channels, 2 * reach + 1, 2 * reach + 1, requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(image)[0, :, reach, reach].sum(), image)
    return [(row - reach, column - reach) for row, column in gradient[0].abs().sum(0).nonzero().tolist()]


def pyramid_reads(pyramid: Pyramid, case: Case, axis: int = 2) -> "Figure":
    """A panel for each branch: the blocks of the image that it reads for the pixel in the middle of the map.

    A pixel of the map stands for a block of 16 x 16 image pixels. Blocks outside the image, where a branch
    reads zeros, are drawn hollow. The mean over the image reads all of it. Each panel shows as much as its
    branch reads, so the image looks smaller in some.

    Args:
        pyramid: of a DeepLab of two dimensions.
        case: whose image is shown; of a volume the middle slice across `axis`.
    """
    image, label = pictured(case), case.label.cpu().numpy()
    across = axis if label.ndim == 3 else 0
    cut = cut_slice(image, {"": label}, None, across, middle(is_marked(label), across))
    height, width = cut.image.shape[:2]
    rows, columns = -(-height // STRIDE), -(-width // STRIDE)
    branches = {name: branch for name, branch in pyramid.stages().items() if name not in ("mean", "fused")}
    read = {name: offsets(branch) for name, branch in branches.items()}
    read["mean"] = [
        (row - rows // 2, column - columns // 2) for row in range(rows) for column in range(columns)
    ]
    said = []
    with house():
        fig = canvas(7.0, 7.0 / len(read) + 0.35)
        for ax, (name, found) in zip(fig.subplots(1, len(read), squeeze=False)[0], read.items(), strict=True):
            low, high = cut.window
            ax.imshow(cut.image, cmap="gray", vmin=low, vmax=high)
            reach = max(abs(step) for offset in found for step in offset)
            far = max(reach + 1, rows // 2 + 1, columns // 2 + 1)
            inside = 0
            for row, column in found:
                top, left = rows // 2 + row, columns // 2 + column
                within = 0 <= top < rows and 0 <= left < columns
                inside += within
                _block(ax, top, left, within)
            middle_row, middle_column = (rows // 2 + 0.5) * STRIDE, (columns // 2 + 0.5) * STRIDE
            ax.set_xlim(middle_column - far * STRIDE, middle_column + far * STRIDE)
            ax.set_ylim(middle_row + far * STRIDE, middle_row - far * STRIDE)
            ax.set_axis_off()
            small_title(ax, f"{name}: {inside} of {len(found)}")
            said.append(f"{name}, {inside} of {len(found)}")
        fig.set_label(
            f"Blocks of the image that each branch reads, and how many lie inside: {'; '.join(said)}."
        )
    return fig


def _block(ax: object, row: int, column: int, within: bool) -> None:
    """One pixel of the map as a block of the image."""
    from matplotlib.patches import Rectangle

    corner = column * STRIDE - 0.5, row * STRIDE - 0.5
    look = (
        {"facecolor": "#E69F0090", "edgecolor": "#D55E00"}
        if within
        else {"fill": False, "edgecolor": "#777777"}
    )
    ax.add_patch(Rectangle(corner, STRIDE, STRIDE, linewidth=0.8, **look))  # type: ignore[attr-defined]
