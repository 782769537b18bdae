"""What one image is normalised by: read from the layers, and equal to its definition."""

import pytest
import torch

from medseg_lab.show.batch_statistics import DRAWN, remembered, statistics_reader, used
from tests.show.legible import assert_legible

FEATURES = torch.randn(9, 16, 6, 6, generator=torch.Generator().manual_seed(0)) * 2 + torch.arange(9).view(
    9, 1, 1, 1
)


def draws() -> torch.Generator:
    return torch.Generator().manual_seed(1)


@pytest.mark.parametrize(
    ("norm", "of"), [("instance", (0, 3)), ("layer", (0, slice(None))), ("group", (0, slice(2, 4)))]
)
def test_without_the_batch_they_are_the_images_own_in_every_batch(norm, of):
    values = FEATURES[of]
    wanted = torch.stack([values.mean(), values.std(correction=0)]).expand(DRAWN, 2)
    torch.testing.assert_close(used(FEATURES, 3, 4, norm, draws()), wanted, atol=1e-3, rtol=1e-3)


def test_with_the_batch_they_differ_from_batch_to_batch_unless_it_is_of_one():
    alone, larger = (used(FEATURES, 3, size, "batch", draws()) for size in (1, 2))
    assert alone.std(dim=0).max() < 1e-4
    assert larger.std(dim=0).min() > 0.1


def test_a_batch_norm_remembers_the_mean_over_all_images():
    found = remembered(FEATURES, 3, 8, draws())
    assert found[0] == pytest.approx(4, abs=0.8)  # image i has the mean i, of 0 to 8


def test_frames_are_legible_and_say_what_they_show():
    draw = statistics_reader(torch.randn(5, 1, 12, 12, generator=draws()), batches=(1, 2))
    for norm in ("batch", "layer"):
        fig = draw(2, norm)
        assert_legible(fig)
        assert f"{norm.capitalize()} norm, batches of 2" in fig.get_label()
        assert ("At prediction" in fig.get_label()) == (norm == "batch")
    assert draw(1, "batch").axes[0].get_xlim() == fig.axes[0].get_xlim()


def test_a_single_patch_is_refused():
    with pytest.raises(ValueError, match="patches: expected two or more, got 1"):
        statistics_reader(torch.zeros(1, 1, 8, 8))
