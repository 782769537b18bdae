"""A trained learner, changed or asked in another way: it trains nothing itself."""

from typing import Any

from torch import Tensor

from medseg_lab.training.segmenter import Segmenter


class Changed(Segmenter):
    """Holds a learner that is trained already; what a subclass does not change is the learner's own.

    It stays in evaluation mode, and so does what it holds: `train()` does not switch dropout or batch norm.

    Args:
        learner: the trained one; in a recipe, its recipe. Its task, patch and precision are passed on.
    """

    learner: Any

    def build(self) -> None:
        """Take over what is known of the learner."""
        self.task, self.patch, self.precision = self.learner.task, self.learner.patch, self.learner.precision
        self.plane = self.learner.plane
        self.eval()

    def predict(self, image: Tensor) -> Tensor:
        """The learner's class probabilities, `(N, K, *S)`."""
        found: Tensor = self.learner.predict(image)
        return found

    def sample(self, image: Tensor, n: int) -> Tensor:
        """`n` samples of the learner, `(n, N, K, *S)`."""
        found: Tensor = self.learner.sample(image, n)
        return found

    def take_reference(self, reference: Tensor) -> None:
        """Pass it on."""
        self.learner.take_reference(reference)

    def finish(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """The learner's own case-level step."""
        found: Tensor = self.learner.finish(probabilities, image)
        return found

    def train(self, mode: bool = True) -> "Changed":
        """Stay in evaluation mode."""
        return super().train(False)
