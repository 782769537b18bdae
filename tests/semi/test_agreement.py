import pytest
import torch

from medseg_lab.semi.agreement import squared_error


def rows(*pixels: tuple[float, ...]) -> torch.Tensor:
    """Pixels with a probability for each class, as `(1, K, 1, n)`."""
    return torch.tensor(pixels).T[None, :, None]


FIRST = rows((1.0, 0.0, 0.0), (0.5, 0.5, 0.0), (0.2, 0.3, 0.5))
SECOND = rows((0.4, 0.4, 0.2), (0.5, 0.4, 0.1), (0.2, 0.3, 0.5))
# per pixel: (.36 + .16 + .04) / 3, (0 + .01 + .01) / 3, 0
PIXELS = (0.56 / 3, 0.02 / 3, 0.0)


def test_the_mean_is_over_pixels_and_classes():
    assert squared_error(FIRST, SECOND).item() == pytest.approx(sum(PIXELS) / 3)
    assert squared_error(SECOND, FIRST).item() == pytest.approx(sum(PIXELS) / 3)


@pytest.mark.parametrize("kept", [(0,), (1,), (0, 2), (1, 2), (0, 1, 2)])
def test_only_what_is_kept_is_counted(kept):
    mask = torch.zeros(1, 1, 3, dtype=torch.bool)
    mask[..., list(kept)] = True
    found = squared_error(FIRST, SECOND, mask).item()
    assert found == pytest.approx(sum(PIXELS[i] for i in kept) / len(kept))


def test_the_mask_is_of_each_image_of_its_own():
    first, second = torch.cat((FIRST, SECOND)), torch.cat((SECOND, SECOND))
    mask = torch.tensor([[[True, False, False]], [[True, True, True]]])
    assert squared_error(first, second, mask).item() == pytest.approx(PIXELS[0] / 4)


def test_nothing_kept_is_no_loss_and_no_gradient():
    first = FIRST.clone().requires_grad_()
    loss = squared_error(first, SECOND, torch.zeros(1, 1, 3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(first.grad, torch.zeros_like(first))


def test_the_gradient_by_hand():
    # d/dp of (p - q)^2 / (3 classes, 2 kept pixels)
    first = FIRST.clone().requires_grad_()
    squared_error(first, SECOND, torch.tensor([[[True, True, False]]])).backward()
    wanted = 2 * (FIRST - SECOND) / 6
    wanted[..., 2] = 0
    torch.testing.assert_close(first.grad, wanted)
