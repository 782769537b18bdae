"""Figures of nested regions: what is drawn is what was given, and said."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.nested.om_net import OMNet
from medseg_lab.networks.unet import UNet
from medseg_lab.show.channel_weights import show_channel_weights
from medseg_lab.show.curriculum import curriculum
from medseg_lab.show.nested_regions import nested_outlines, region_maps
from medseg_lab.training.recipe import recipe
from tests.show.legible import assert_legible

TASK = Task(2, ("background", "oedema", "core"), 3)
NAMES = ["whole tumour", "core"]


def case() -> Case:
    """On slice 3 a square of 6 x 6 with one of 2 x 2 in it; less on the others."""
    label = torch.zeros(1, 20, 18, 6, dtype=torch.uint8)
    label[0, 4:8, 4:8, 2:5], label[0, 4:10, 4:10, 3], label[0, 6:8, 6:8, 3] = 1, 1, 2
    image = torch.randn(2, 20, 18, 6, generator=torch.Generator().manual_seed(0))
    return Case("one", "one", image, label, (1.0, 1.0, 3.0))


class Half:
    """Says one half of the whole tumour everywhere, and of its core one in ten."""

    patch = (16, 16)

    def maps(self, image: Tensor) -> Tensor:
        return torch.tensor([0.5, 0.1]).view(1, 2, 1, 1).expand(1, 2, *image.shape[2:])


def test_each_contrast_has_the_outline_of_each_region():
    fig = nested_outlines(case(), TASK, NAMES, ["FLAIR", "T1"])
    assert [ax.get_title() for ax in fig.axes] == ["FLAIR", "T1"]
    assert [len(ax.collections) for ax in fig.axes] == [2, 2]
    # the core is a part of the whole tumour
    assert fig.get_label().endswith("whole tumour 36 pixels, core 4 pixels.")
    assert_legible(fig)


def test_maps_are_the_networks_and_their_means_are_told():
    fig = region_maps({"DCAN": Half(), "OM-Net": Half()}, case(), TASK, NAMES)
    image, whole, core = fig.axes[:3]
    assert (image.get_ylabel(), whole.get_title(), core.get_title()) == ("DCAN", *NAMES)
    assert np.unique(np.asarray(whole.images[1].get_array())) == pytest.approx([0.5])
    assert "DCAN: 0.50 and 0.10, OM-Net: 0.50 and 0.10." in fig.get_label()
    assert_legible(fig)


def test_a_line_begins_where_its_region_enters():
    steps = np.arange(10)
    late = pd.DataFrame({"step": steps, "region 1": 2.0, "region 2": np.where(steps < 4, np.nan, 1.0)})
    run = SimpleNamespace(curves=late)
    fig = curriculum({"OM-Net": run, "again": run}, NAMES)
    first, _, second = (line.get_xdata() for line in fig.axes[0].lines[:3])
    assert list(first) == list(steps)
    assert list(second) == [4, 5, 6, 7, 8, 9]
    assert "OM-Net, core: from step 4 on, at the end 1.00" in fig.get_label()
    assert_legible(fig)


@pytest.mark.parametrize("guided", [True, False])
def test_channels_are_drawn_outside_and_inside(guided):
    torch.manual_seed(0)
    learner = OMNet(TASK, network=recipe(UNet, features=(4, 6)), spatial_dims=2, channels=guided)
    learner.patch = (16, 16)
    fig = show_channel_weights(learner, [case()] * 2, NAMES)
    outside, inside = (line.get_ydata() for line in fig.axes[0].lines[:2])
    assert len(outside) == len(inside) == 4
    assert np.all(np.diff(inside - outside) >= 0)
    assert (np.ptp(outside) > 0) == guided
    assert ("differ: for core 0.00 on average" in fig.get_label()) == (not guided)
    assert_legible(fig)
