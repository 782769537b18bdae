"""A trained learner, asked in another way: what such wrappers share."""

from torch import Tensor

from medseg_lab.training.learner import Learner
from medseg_lab.uncertainty.sampled import DRAWS


class Changed(Learner):
    """Holds a learner that is trained already, and trains nothing itself.

    It stays in evaluation mode, and so does what it holds: `train()` does not switch dropout or batch norm.

    Args:
        learner: the trained one. Its task, patch and precision are passed on.
    """

    def __init__(self, learner: Learner) -> None:
        super().__init__(learner.task)
        self.learner = learner
        self.patch, self.precision, self.reading = learner.patch, learner.precision, learner.reading
        self.eval()

    def predict(self, image: Tensor) -> Tensor:
        """The mean of a few samples, `(N, K, *S)`."""
        return self.sample(image, DRAWS).mean(dim=0)

    def train(self, mode: bool = True) -> "Changed":
        """Stay in evaluation mode."""
        return super().train(False)
