import pytest
import torch

from medseg_lab.semi.noise import noisy


def test_the_noise_is_a_tenth_of_a_normal_draw_cut_at_a_fifth():
    image = torch.linspace(-3, 3, 4000).view(1, 1, 40, 100)
    torch.manual_seed(4)
    drawn = torch.randn(1, 1, 40, 100)
    torch.manual_seed(4)
    found = noisy(image) - image
    torch.testing.assert_close(found, (0.1 * drawn).clamp(-0.2, 0.2), atol=1e-6, rtol=0)
    assert (drawn.abs() > 2).any()  # else nothing would have been cut
    assert found.abs().max().item() == pytest.approx(0.2, abs=1e-6)


def test_each_call_draws_anew_and_leaves_the_image_alone():
    image = torch.ones(2, 1, 4, 4, 4)
    torch.manual_seed(0)
    first, second = noisy(image), noisy(image)
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])
    assert torch.equal(image, torch.ones(2, 1, 4, 4, 4))
