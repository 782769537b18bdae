"""Cases of several origins, row under row: what is alike in them, and what is not."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from medseg_lab.show.contours import small_title
from medseg_lab.show.marks import picture, tight
from medseg_lab.show.sheet import Sheet
from medseg_lab.show.style import canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 7.0


def beside(rows: Mapping[str, Sequence[Sheet]], alt: str, names: Sequence[str] = ()) -> "Figure":
    """A row of images for each origin, without marks; 7 inches wide.

    Args:
        rows: by what is written at the left, as many images in each; every image keeps its own grey scale.
        alt: what is to be seen, in words.
        names: titles of the columns, if they have some.

    Raises:
        ValueError: unless all rows have the same number of images, at least one.
    """
    numbers = {len(sheets) for sheets in rows.values()}
    if len(numbers) != 1 or numbers == {0}:
        raise ValueError(f"rows: got {sorted(numbers)} images, wanted as many in each row, at least one")
    columns = numbers.pop()
    with house():
        inch = (WIDTH - 0.4) / columns
        heights = [max(sheet.ratio() for sheet in sheets) for sheets in rows.values()]
        fig = canvas(WIDTH, inch * sum(heights) + 0.08 * len(rows) + 0.3)
        grid = fig.subplots(len(rows), columns, squeeze=False, height_ratios=heights)
        for (name, sheets), axes in zip(rows.items(), grid, strict=True):
            for ax, sheet in zip(axes, sheets, strict=True):
                picture(ax, sheet)
                ax.set(xticks=[], yticks=[])
                ax.grid(visible=False)
                for spine in ax.spines.values():
                    spine.set_visible(False)
            axes[0].set_ylabel(name, fontsize=8.5)
        for ax, name in zip(grid[0], names, strict=False):
            small_title(ax, name)
        tight(fig)
        fig.set_label(alt)
    return fig
