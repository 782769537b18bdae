"""Several losses at once, as a recipe."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Compound:
    """A weighted sum of losses: `Compound(losses=[Dice(), Focal()], weights=[1, 10])`.

    Args:
        losses: each of logits `(N, K, *S)` and a label `(N, *S)`.
        weights: one for each; all 1 by default.

    Raises:
        ValueError: for no loss at all, or if there are not as many weights as losses.
    """

    losses: Sequence[Callable[[Tensor, Tensor], Tensor]]
    weights: Sequence[float] = ()

    def __post_init__(self) -> None:
        if not self.losses:
            raise ValueError("losses: expected one or more, got none")
        if self.weights and len(self.weights) != len(self.losses):
            raise ValueError(
                f"weights: expected {len(self.losses)}, one for each loss, got {len(self.weights)}"
            )

    def __call__(self, logits: Tensor, label: Tensor) -> Tensor:
        """The loss, a scalar; arguments and errors as in `CrossEntropy`."""
        weights = self.weights or [1.0] * len(self.losses)
        terms = [weight * loss(logits, label) for weight, loss in zip(weights, self.losses, strict=True)]
        return sum(terms[1:], terms[0])
