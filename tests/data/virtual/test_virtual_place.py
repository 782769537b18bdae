import numpy as np
import pytest
import torch

from medseg_lab.data.virtual.place import BARRIER, centres, path_lengths, pushed
from medseg_lab.data.virtual.templates import anatomy


def white() -> torch.Tensor:
    tissue = torch.zeros(3, 40, 48, 40)
    tissue[2] = 1
    return tissue


def positions() -> torch.Tensor:
    """Where each voxel is, as grid_sample counts, `(3, X, Y, Z)` in mm."""
    axes = [4 * (torch.arange(n) + 0.5) for n in (40, 48, 40)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))


@pytest.mark.parametrize("push", [0.2, 0.6, 0.9])
def test_pushed_tissue_folds_nowhere(push, jacobian):
    middles, radii = np.array([[60.0, 80, 80], [110, 110, 90]]), np.array([20.0, 12.0])
    fetched = pushed(positions(), middles, radii, push, 4)
    grid = (2 * fetched / (4 * torch.tensor([40, 48, 40]))[:, None, None, None] - 1).flip(0)
    assert float(jacobian(grid.movedim(0, -1)[None])[1:-1, 1:-1, 1:-1].min()) > 0


def test_tissue_moves_outward_near_a_tumour_and_nowhere_else():
    middle = np.array([[82.0, 98.0, 82.0]])
    here = positions()
    fetched = pushed(here, middle, np.array([20.0]), 0.5, 4)
    # 20 mm from the centre: fetched from 20 (1 - 0.5 exp(-(20 / 28)^2)) = 14.0 mm.
    assert float(fetched[0, 25, 24, 20]) - 82 == pytest.approx(
        20 * (1 - 0.5 * np.exp(-((20 / 28) ** 2))), abs=0.1
    )
    far = (here - torch.tensor([82.0, 98, 82])[:, None, None, None]).norm(dim=0) > 70
    inside = torch.zeros_like(far)
    inside[1:-1, 1:-1, 1:-1] = True
    torch.testing.assert_close(fetched[:, far & inside], here[:, far & inside], atol=0.1, rtol=0)


def test_no_push_fetches_every_voxel_from_itself():
    maps = anatomy(4)
    still = pushed(maps, np.array([[80.0, 96, 80]]), np.array([20.0]), 0.0, 4)
    torch.testing.assert_close(still, maps, atol=1e-4, rtol=0)


def test_the_path_through_white_matter_is_the_straight_distance():
    paths = path_lengths(white(), np.array([82.0, 98.0, 82.0]), 3.0, 60.0)
    straight = (positions() - torch.tensor([82.0, 98, 82])[:, None, None, None]).norm(dim=0).clamp(max=60)
    torch.testing.assert_close(paths, straight, atol=1e-3, rtol=1e-3)


def test_the_path_goes_around_fluid():
    tissue = white()
    tissue[:, 24, :, :36] = torch.tensor([1.0, 0, 0])[:, None, None]
    paths = path_lengths(tissue, np.array([82.0, 98.0, 82.0]), 1.0, 200.0)
    straight_through = 8 * 4 + (BARRIER - 1) * 4
    assert 32 < float(paths[28, 24, 20]) <= straight_through + 1e-3
    assert float(paths[16, 24, 20]) > 0


def test_grey_matter_counts_by_its_factor():
    grey = white().roll(-1, 0)
    paths = path_lengths(grey, np.array([82.0, 98.0, 82.0]), 2.5, 100.0)
    assert float(paths[24, 24, 20]) == pytest.approx(2.5 * 16, rel=1e-3)


def test_centres_lie_apart_in_white_matter():
    tissue, radii = anatomy(4)[:3], np.array([10.0, 8.0, 8.0])
    for seed in range(20):
        found = centres(np.random.default_rng(seed), tissue, radii)
        assert found.shape == (3, 3)
        voxels = tuple((found / 4).astype(int).T)
        assert float(tissue[2][voxels].min()) > 0.05
        first, second, third = found
        assert min(np.linalg.norm(first - second), np.linalg.norm(first - third)) > 2.5 * (10 + 10)
        assert np.linalg.norm(second - third) > 2.5 * (8 + 10)


def test_centres_of_no_room_are_none():
    assert centres(np.random.default_rng(0), anatomy(4)[:3], np.array([200.0])).shape == (0, 3)
