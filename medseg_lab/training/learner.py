"""What one method of the survey adds to the shared loop."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from medseg_lab.data.batch import Batch
from medseg_lab.data.task import Task


@dataclass(frozen=True)
class Phase:
    """One optimisation inside a step: which parameters move, and down which losses.

    Most learners have one phase. An adversarial one has two: the segmenter's and the discriminator's.
    """

    name: str
    parameters: Iterable[nn.Parameter]
    losses: Callable[[Batch, int], dict[str, Tensor]]


class Learner(nn.Module):
    """Base of every method: it owns its networks and says what their losses are.

    The loop (`medseg_lab.training.fit.fit`) calls `losses` for each batch, adds up what comes back, steps the
    optimiser, then calls `after_step`. Everything a method remembers between steps (a teacher, a memory bank) is
    a buffer or a submodule, so that a checkpoint holds it.

    Args:
        task: the problem to be solved; `task.spatial_dims` is the dimension of the patches the learner sees,
            which may be 2 on a cohort of volumes (it then works slice by slice).
    """

    learning_rate: float = 3e-3
    weight_decay: float = 1e-5
    wants_unlabelled: bool = False

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The named terms of this step's objective, scalars that the loop adds up."""
        raise NotImplementedError

    def predict(self, image: Tensor) -> Tensor:
        """Class probabilities `(N, K, *S)` of patches `(N, C, *S)`; they sum to 1 over K."""
        raise NotImplementedError

    def sample(self, image: Tensor, n: int) -> Tensor:
        """`n` plausible predictions, `(n, N, K, *S)`; for learners that know their uncertainty."""
        raise NotImplementedError(f"{type(self).__name__} gives one prediction, not samples")

    def after_step(self, step: int) -> None:
        """Move what is not moved by gradients (EMA teacher, memory bank)."""

    def phases(self) -> list[Phase]:
        """The optimisations of one step, in order."""
        return [Phase("train", self.parameters(), self.losses)]
