"""Whether a deformation keeps neighbours apart: where the determinant of its Jacobian is positive."""

import torch
from torch import Tensor


def jacobian_determinant(displacement: Tensor) -> Tensor:
    """How many times larger each place becomes: the determinant of the Jacobian of p + u(p), `(N, *S)`.

    1 keeps the size; 0 or less is a fold: there, two places of the deformed image show the same one.
    Differences are those of neighbouring voxels, one-sided at the border.

    Args:
        displacement: u, `(N, d, *S)` in voxels; no edge of S may be shorter than 2.
    """
    dims = displacement.shape[1]
    slopes = torch.gradient(displacement, dim=list(range(2, 2 + dims)))  # d tensors (N, d, *S)
    jacobian = torch.stack(slopes, dim=2).movedim((1, 2), (-2, -1))  # (N, *S, d, d)
    return torch.linalg.det(jacobian + torch.eye(dims, device=displacement.device))
