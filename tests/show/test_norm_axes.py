"""Figure 9: which values share a mean and a variance, by definition and by gradient."""

import torch

from medseg_lab.networks.norms import normalisation
from medseg_lab.show.norm_axes import ASKED, norm_axes, shared
from tests.show.legible import assert_legible


def test_values_that_share_are_those_of_the_definition():
    image, channel = ASKED[:2]
    wanted = {
        "batch": (slice(None), channel),
        "instance": (image, channel),
        "layer": (image, slice(None)),
        "group": (image, slice(6, 8)),  # sixteen channels in eight groups: the seventh with the eighth
    }
    for norm, place in wanted.items():
        expected = torch.zeros(3, 16, 3, 3, dtype=torch.bool)
        expected[place] = True
        assert torch.equal(shared(normalisation(norm, 16)), expected)


def test_each_panel_says_how_many_values_count():
    fig = norm_axes()
    assert_legible(fig)
    counts = ("training, 27", "prediction, 1", "layer norm, 144", "instance norm, 9", "groups, 18")
    assert all(count in fig.get_label() for count in counts)
    assert len(fig.axes) == 5
