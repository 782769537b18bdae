import pytest
import torch
from torch import Tensor

from medseg_lab.data.virtual.settings import VirtualSettings


@pytest.fixture(scope="session")
def coarse() -> VirtualSettings:
    """Subjects small enough to make by the dozen."""
    return VirtualSettings(resolution=4)


def determinants(grid: Tensor, edges: Tensor) -> Tensor:
    """Jacobian at every cell of a sampling grid `(1, X, Y, Z, 3)`, by differences of neighbours."""
    fetched = grid[0].double().flip(-1) * edges / 2
    corner = fetched[:-1, :-1, :-1]
    columns = [fetched[1:, :-1, :-1] - corner, fetched[:-1, 1:, :-1] - corner, fetched[:-1, :-1, 1:] - corner]
    return torch.linalg.det(torch.stack(columns, -1))


@pytest.fixture(scope="session")
def jacobian():
    """`jacobian(grid)`: how much each cell of a sampling grid is stretched."""
    return lambda grid: determinants(grid, torch.tensor(grid.shape[1:4]))
