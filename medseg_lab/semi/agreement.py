"""How far two predictions are apart."""

from torch import Tensor


def squared_error(first: Tensor, second: Tensor, kept: Tensor | None = None) -> Tensor:
    """The mean over voxels and classes of (first - second)^2.

    Args:
        first, second: probabilities `(N, K, *S)`.
        kept: the voxels that count, `(N, *S)`, as booleans; None for all. The mean is over those alone,
            and is 0 where there are none.
    """
    squares = (first - second).square().mean(dim=1)  # (N, *S)
    if kept is None:
        return squares.mean()
    return (squares * kept).sum() / kept.sum().clamp(min=1)
