"""A trained learner, asked in another way: what such wrappers share."""

from medseg_lab.training.learner import Learner


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

    def train(self, mode: bool = True) -> "Changed":
        """Stay in evaluation mode."""
        return super().train(False)
