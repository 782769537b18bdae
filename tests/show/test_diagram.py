"""The picture shows what the network does, and can be read."""

from itertools import combinations

import pytest
from matplotlib.patches import FancyArrowPatch

from medseg_lab.networks.fcn import FCN
from medseg_lab.networks.structure import trace
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.unetpp import UNetPlusPlus
from medseg_lab.networks.vnet import VNet
from medseg_lab.show.diagram import SKIP, diagram, layout

NETWORKS = {
    "FCN-8s": (FCN(1, 3), (1, 1, 96, 96)),
    "U-Net": (UNet(1, 3, 3), (1, 1, 48, 48, 48)),
    "U-Net without skips": (UNet(1, 3, 3, skips=False), (1, 1, 40, 56, 40)),
    "V-Net": (VNet(1, 3, 3), (1, 1, 48, 48, 48)),
    "U-Net++": (UNetPlusPlus(1, 3), (1, 1, 96, 96)),
}
every = pytest.mark.parametrize(("network", "shape"), NETWORKS.values(), ids=NETWORKS)


def _dashed(figure):
    arrows = [p for p in figure.axes[0].patches if isinstance(p, FancyArrowPatch)]
    return [a for a in arrows if a.get_linestyle() == "--"]


def test_arrows_of_skips_vanish_with_the_skips():
    assert len(_dashed(diagram(*NETWORKS["U-Net"]))) == 3
    assert _dashed(diagram(*NETWORKS["U-Net without skips"])) == []


def test_skips_differ_by_more_than_colour():
    figure = diagram(*NETWORKS["U-Net"])
    entries = {line.get_label(): line for line in figure.legends[0].get_lines()}
    assert entries["skip (concatenation)"].get_color() == SKIP
    assert [line.get_linestyle() for label, line in entries.items() if not label.startswith("skip")] == [
        "-"
    ] * 3


@every
def test_a_diagram_shows_the_whole_graph_and_is_legible(network, shape):
    found = trace(network, shape)
    figure = diagram(network, shape, title="A network with a name")
    arrows = [p for p in figure.axes[0].patches if isinstance(p, FancyArrowPatch)]
    assert len(arrows) == len(found.edges) + sum(stage.shortcut for stage in found.stages.values())
    written = [text.get_text() for text in figure.axes[0].texts]
    for stage in found.stages.values():
        assert str(stage.channels) in written
        assert stage.name in written
    width, height = figure.get_size_inches() * figure.dpi
    assert width == 700
    figure.draw_without_rendering()
    texts = [*figure.texts, *figure.axes[0].texts, *figure.legends[0].get_texts()]
    for text in texts:
        box = text.get_window_extent()
        assert (box.x0 >= 0, box.y0 >= 0, box.x1 <= width, box.y1 <= height) == (True,) * 4, text.get_text()
        assert text.get_fontsize() >= 7
    shrunk = [(text.get_text(), text.get_window_extent().shrunk(0.9, 0.7)) for text in texts]
    for (a, one), (b, other) in combinations(shrunk, 2):
        assert not one.overlaps(other), (a, b)
    places = layout(found)
    assert len(set(places.values())) == len(places), "no two boxes share a place"


def test_a_u_net_is_laid_out_as_a_u():
    places = layout(trace(UNet(1, 2, features=(2, 4, 8)), (1, 1, 16, 16)))
    names = ["image", "encoder 0", "encoder 1", "encoder 2", "decoder 1", "decoder 0", "logits"]
    assert [places[n] for n in names] == [(0, -1), (0, 0), (1, 1), (2, 2), (3, 1), (4, 0), (4, -1)]


def test_a_u_net_pp_is_laid_out_as_a_triangle():
    places = layout(trace(UNetPlusPlus(1, 2, features=(2, 2, 2)), (1, 1, 16, 16)))
    for i, j in ((0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (0, 2)):
        assert places[f"x({i},{j})"] == (i + 2 * j, i)


def test_an_image_that_is_padded_gets_no_row_of_its_own():
    places = layout(trace(UNet(1, 2, features=(2, 4)), (1, 1, 13, 17)))
    assert sorted({row for _, row in places.values()}) == [-1, 0, 1]


def test_what_pruning_leaves_out_is_faint():
    figure = diagram(UNetPlusPlus(1, 2, features=(2, 2, 2)), (1, 1, 16, 16), depth=1)
    arrows = [p for p in figure.axes[0].patches if isinstance(p, FancyArrowPatch)]
    kept = trace(UNetPlusPlus(1, 2, features=(2, 2, 2)), (1, 1, 16, 16), depth=1).edges
    assert sum(a.get_alpha() == 1 for a in arrows) == len(kept)
    assert any(a.get_alpha() < 1 for a in arrows)
