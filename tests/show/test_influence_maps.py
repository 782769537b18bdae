"""The maps are of each network's own gradient, and leave out what changes nothing."""

import numpy as np
import torch
from torch import nn

from medseg_lab.networks.norms import InstanceNorm
from medseg_lab.show.influence_maps import influence_maps


def test_what_changes_nothing_is_white_and_named_in_the_text():
    torch.manual_seed(0)
    plain = nn.Conv2d(1, 1, 3, padding=1)
    fig = influence_maps(
        {"plain": plain, "normed": nn.Sequential(plain, InstanceNorm(1))}, torch.randn(1, 1, 12, 12)
    )
    plain_map, normed_map = (np.asarray(ax.images[0].get_array().filled(np.nan)) for ax in fig.axes[:2])
    rows, columns = np.isfinite(plain_map).nonzero()
    assert {*rows} == {*columns} == {5, 6, 7}  # 3 by 3 about the centre at (6, 6)
    assert np.isfinite(normed_map).all()
    assert "plain, 6%; normed, 100%" in fig.get_label()  # 9 of 144
