"""How many of the raters name each class, and what is asked of their readings."""

import torch
from torch import Tensor


def shares(readings: Tensor, n_classes: int) -> Tensor:
    """The share of the readings that name each class, `(R, *S)` integers to `(K, *S)` float32; sums to 1.

    With many raters it tends to p*(y | x), the label's true distribution.

    Raises:
        ValueError: as `check_labels` does.
    """
    check_labels("readings", readings, n_classes)
    return torch.stack([(readings == k).float().mean(dim=0) for k in range(n_classes)])


def check_labels(name: str, labels: Tensor, n_classes: int) -> None:
    """Class indices `(R, *S)`, of one reading and one voxel at least.

    Raises:
        ValueError: otherwise. Voxels that somebody left open (`IGNORE`) must have been left out.
    """
    if labels.ndim < 2 or not labels.numel():
        raise ValueError(f"{name}: got shape {tuple(labels.shape)}, wanted (R, *S) with something in it")
    least, most = labels.aminmax()
    if least < 0 or most >= n_classes:
        raise ValueError(f"{name}: got classes {int(least)} to {int(most)}, wanted 0 to {n_classes - 1}")


def check_same_voxels(first: tuple[str, Tensor], second: tuple[str, Tensor], leading: int = 1) -> None:
    """The spatial shape of the first, after so many leading axes, is that of the second after one.

    Raises:
        ValueError: otherwise, with both.
    """
    seen, wanted = tuple(first[1].shape[leading:]), tuple(second[1].shape[1:])
    if seen != wanted:
        raise ValueError(f"{first[0]}: got spatial shape {seen}, wanted that of the {second[0]}, {wanted}")
