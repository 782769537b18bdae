"""The determinant of a deformation's Jacobian, against affine maps and scipy-free arithmetic."""

import pytest
import torch

from medseg_lab.semi.transforms.jacobian import jacobian_determinant


def affine(matrix: torch.Tensor, edge: int = 6) -> torch.Tensor:
    """The displacement of p -> A p."""
    axes = torch.meshgrid(*[torch.arange(edge).float()] * len(matrix), indexing="ij")
    place = torch.stack(axes)
    return (torch.einsum("ij,j...->i...", matrix, place) - place)[None]


@pytest.mark.parametrize("dims", [2, 3])
def test_an_affine_map_has_the_determinant_of_its_matrix_everywhere(dims):
    matrix = torch.eye(dims) + 0.3 * torch.randn(dims, dims, generator=torch.Generator().manual_seed(0))
    found = jacobian_determinant(affine(matrix))
    assert found.shape == (1, *(6,) * dims)
    torch.testing.assert_close(found, torch.linalg.det(matrix).expand_as(found))


def test_what_goes_back_and_forth_is_a_fold():
    displacement = torch.zeros(1, 2, 5, 5)
    displacement[0, 1] = torch.tensor([0.0, 0.0, 0.0, -3.0, -6.0])  # rows show the columns 0, 1, 2, 0, -2
    # central differences of 0, 1, 2, 0, -2; one-sided at the ends
    expected = torch.tensor([1.0, 1.0, -0.5, -2.0, -2.0])
    torch.testing.assert_close(jacobian_determinant(displacement)[0], expected.expand(5, 5))
