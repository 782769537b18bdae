"""Features as points, and the memory of their pairs."""

from math import nan, sqrt

import numpy as np
import pytest
import torch

from medseg_lab.show.embedding import feature_map, main_plane, mean_cosines, pair_memory
from tests.show.legible import assert_legible


def test_mean_cosines_by_hand():
    """Two pixels at 45 degrees have class 0; one of class 1 lies at 90 and at 45 degrees of them."""
    features = torch.tensor([[2.0, 0.0], [3.0, 3.0], [0.0, 0.5]])
    within, between = mean_cosines(features, torch.tensor([0, 0, 1]))
    assert (within, between) == (pytest.approx(1 / sqrt(2)), pytest.approx(1 / sqrt(2) / 2))
    np.testing.assert_equal(mean_cosines(features, torch.tensor([0, 1, 2]))[0], nan)


def test_the_main_plane_keeps_the_distances_of_what_lies_in_a_plane():
    torch.manual_seed(0)
    angle, turn = torch.rand(20) * 6, torch.linalg.qr(torch.randn(5, 5))[0]
    unit = torch.stack((angle.cos(), angle.sin()), dim=1) @ turn[:2]
    found = torch.from_numpy(main_plane(unit * (1 + torch.rand(20, 1))))
    torch.testing.assert_close(torch.cdist(found, found).float(), torch.cdist(unit, unit), atol=1e-4, rtol=0)


def test_a_map_of_features_names_classes_and_trainings():
    torch.manual_seed(0)
    names = "few labels", "Random feature embedding", "U-Net with dropout, trained on"
    features = {name: torch.randn(30, 4) for name in names}
    fig = feature_map(features, torch.arange(30) % 3, ("background", "a", "b"))
    assert_legible(fig)
    assert "Random feature embedding: " in fig.get_label()
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["background", "a", "b"]


def test_memory_is_drawn_beside_that_of_the_network():
    fig = pair_memory({64: 0.02, 256: 0.3, 4096: 70.0}, network=12.0, chosen=256)
    assert_legible(fig)
    assert "70 MB for 4096. The network keeps 12 MB" in fig.get_label()
    with pytest.raises(ValueError, match="expected two numbers of pixels or more, got 1"):
        pair_memory({64: 1.0}, network=1.0, chosen=64)
