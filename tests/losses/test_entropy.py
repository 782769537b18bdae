from math import log

import pytest
import torch

from medseg_lab.losses.entropy import entropy


def test_the_entropy_by_hand():
    # certain (0 ln 0 = 0); half and half; 1/4 and 3/4
    probabilities = torch.tensor([[[1.0, 0.5, 0.25]], [[0.0, 0.5, 0.75]]])[None]
    found = entropy(probabilities)
    assert found.shape == (1, 1, 3)
    assert found.flatten().tolist() == pytest.approx([0, log(2), log(4) / 4 + 0.75 * log(4 / 3)])


@pytest.mark.parametrize("classes", [2, 7])
def test_it_is_largest_where_all_classes_are_alike(classes):
    alike = torch.full((1, classes, 2, 2, 2), 1 / classes)
    torch.testing.assert_close(entropy(alike), torch.full((1, 2, 2, 2), log(classes)))
    drawn = torch.randn(1, classes, 8, 8, 8, generator=torch.Generator().manual_seed(0)).softmax(1)
    assert (entropy(drawn) < log(classes)).all()
    assert (entropy(drawn) > 0).all()


def test_it_is_that_of_pytorchs_distributions():
    drawn = torch.randn(2, 5, 6, 7, generator=torch.Generator().manual_seed(1)).softmax(1)
    torch.testing.assert_close(
        entropy(drawn), torch.distributions.Categorical(probs=drawn.movedim(1, -1)).entropy()
    )
