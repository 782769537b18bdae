"""A case with several raters, and samples of it, small enough to reason about."""

import torch
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.evaluation.sampling import Drawn


def square(low: int, high: int, size: int = 40) -> Tensor:
    """1 in a square block on the diagonal, `(size, size)`, uint8."""
    found = torch.zeros(size, size, dtype=torch.uint8)
    found[low:high, low:high] = 1
    return found


def flat_case(readings: list[Tensor], id: str = "one", distribution: Tensor | None = None) -> Case:
    """A case of two dimensions with these readings."""
    labels = torch.stack(readings)
    image = torch.rand((1, *labels.shape[1:]), generator=torch.Generator().manual_seed(0))
    return Case(id, id, image, labels, None, distribution)


def sure(label: Tensor, n_classes: int = 2, p: float = 0.9) -> Tensor:
    """Probabilities `(K, *S)`: `p` for the class of a label, and the rest shared by the others."""
    found = torch.full((n_classes, *label.shape), (1 - p) / (n_classes - 1))
    return found.scatter_(0, label.long()[None], p)


def drawn(case: Case, *labels: Tensor, n_classes: int = 2, p: float = 0.9) -> Drawn:
    """A sample for each label."""
    return Drawn(case, torch.stack([sure(label, n_classes, p) for label in labels]))
