"""Three measures of uncertainty, by hand."""

from math import log

import pytest
import torch

from medseg_lab.outlook.acquisition import uncertainty

# two predictions of three pixels: sure; even, both alike; even, each sure of the other class
SAMPLES = torch.tensor([[[1.0, 0.5, 1.0], [0.0, 0.5, 0.0]], [[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]])


@pytest.mark.parametrize(
    ("ask", "wanted"),
    [("entropy", [0, log(2), log(2)]), ("bald", [0, 0, log(2)]), ("variance", [0, 0, 0.5])],
)
def test_three_pixels(ask, wanted):
    torch.testing.assert_close(uncertainty(SAMPLES, ask), torch.tensor(wanted))


def test_variance_adds_up_over_classes():
    """Of 0.2, 0.4 and 0.6 the variance is (0.04 + 0 + 0.04) / 3; likewise of their complements."""
    p = torch.tensor([0.2, 0.4, 0.6])
    samples = torch.stack((p, 1 - p), dim=1)[..., None]
    torch.testing.assert_close(uncertainty(samples, "variance"), torch.tensor([0.16 / 3]))
