"""A trained cascade that is shown where to look: what the errors of its earlier steps cost (2.1.4)."""

from typing import Any

from torch import Tensor

from medseg_lab.nested.three_step import Cascade
from medseg_lab.training.changed import Changed


class TrueBoxes(Changed):
    """A trained `Cascade` whose boxes lie around the true regions, as a judge gives them.

    An experiment and no method: it reads the reference. Steps are as they were trained; only where the later
    ones look is changed. Without a reference it predicts as the cascade does.

    Args:
        learner: the trained cascade.

    Raises:
        ValueError: for another learner.
    """

    learner: Any

    def build(self) -> None:
        """No reference yet."""
        if not isinstance(self.learner, Cascade):
            raise ValueError(f"TrueBoxes: learner: expected a Cascade, got {type(self.learner).__name__}")
        super().build()
        self.reference: Tensor | None = None

    def take_reference(self, reference: Tensor) -> None:
        """Keep it for the case that is predicted next."""
        self.reference = reference

    def finish(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """The cascade's later steps in the boxes of the true regions, `(K, *S)`."""
        reference, self.reference = self.reference, None
        found: Tensor = self.learner.narrowed(probabilities, image, reference)[0]
        return found
