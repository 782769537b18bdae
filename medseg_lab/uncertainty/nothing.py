"""The control for all that samples: nothing is marked, in any image."""

import torch
from torch import Tensor

from medseg_lab.training.changed import Changed


class Nothing(Changed):
    """Says background everywhere, whatever the image, and is sure of it.

    Where raters often mark nothing, and a method that marks a wrong place is punished as much as one that
    marks none, this does well by the energy distance. So a table of that distance has it as a row: a method
    that does worse has learned nothing that this measure could see.

    Args:
        learner: any; only its task and patch are used.
    """

    def build(self) -> None:
        """Take over the learner's task; its parameters are not counted, since they decide nothing."""
        super().build()
        self.learner.requires_grad_(False)

    def predict(self, image: Tensor) -> Tensor:
        """Probability 1 of background, `(N, K, *S)`."""
        found = image.new_zeros((len(image), len(self.task.classes), *image.shape[2:]), dtype=torch.float32)
        found[:, 0] = 1
        return found

    def sample(self, image: Tensor, n: int) -> Tensor:
        """`n` times the same."""
        found = self.predict(image)
        return found.expand(n, *found.shape)
