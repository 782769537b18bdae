"""Masks lie where they are, and a legend has its rows."""

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from medseg_lab.show.paint import in_rows, painted
from medseg_lab.show.style import canvas


def test_a_mask_covers_its_pixels_and_no_others():
    ax = canvas().add_subplot()
    ax.imshow(np.zeros((3, 4)), aspect=2.0)
    mask = np.zeros((3, 4), dtype=bool)
    mask[0, 1:3] = True
    painted(ax, mask, "#D55E00")
    pixels = np.asarray(ax.images[1].get_array())
    np.testing.assert_array_equal(pixels[..., 3], mask)
    np.testing.assert_allclose(pixels[0, 1, :3], to_rgb("#D55E00"))
    assert ax.images[0].get_extent() == ax.images[1].get_extent()
    assert ax.get_aspect() == 2.0


def test_a_legend_is_filled_row_by_row():
    first, second = ([Line2D([], [], label=name) for name in row] for row in ("ab", "cde"))
    fig = canvas()
    legend = fig.legend(**in_rows(first, second), loc="lower center")
    fig.draw_without_rendering()
    places = {text.get_text(): text.get_window_extent() for text in legend.get_texts()}
    assert places["a"].y0 == places["b"].y0 > places["c"].y0 == places["d"].y0 == places["e"].y0
    assert places["a"].x0 == places["c"].x0 < places["b"].x0 == places["d"].x0 < places["e"].x0
