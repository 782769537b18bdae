"""What one method of the survey adds to the shared loop."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from medseg_lab.data.batch import Batch
from medseg_lab.data.reading import Reading
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

    The loop (`medseg_lab.training.loop.train`) calls `losses` for each batch, adds up what comes back, steps
    the optimiser, then calls `after_step`. Two rules make a resumed run equal to one never stopped:
    everything a method remembers between steps (a teacher, a memory bank) is a buffer or a submodule, so
    that a checkpoint holds it; and chance comes from PyTorch's global generator, which the loop seeds anew
    in each step.

    Attributes:
        learning_rate: the peak of the schedule (`medseg_lab.training.schedule`).
        weight_decay: of AdamW.
        clip_norm: the gradient of a phase is scaled down to this Euclidean norm if it is longer.
        wants_unlabelled: whether batches are to carry unlabelled patches.
        reading: whose labels it is taught, where a case has several raters.
        steps: how long the training is, for schedules of the method's own; set by `prepare`.
        patch: the patch the learner was trained on, in voxels along each axis; empty before training.
        precision: what it was trained in, `32-true` or `bf16-mixed`; prediction follows it.

    Args:
        task: the problem to be solved; `task.spatial_dims` is the dimension of the patches the learner sees,
            which may be 2 on a cohort of volumes (it then works slice by slice).
    """

    learning_rate: float = 3e-3
    weight_decay: float = 1e-5
    clip_norm: float = 12.0
    wants_unlabelled: bool = False
    reading: Reading = "reference"
    steps: int = 0
    patch: tuple[int, ...] = ()
    precision: str = "32-true"

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
        """`n` predictions that are all plausible, as class probabilities `(n, N, K, *S)`.

        What varies between them (a member, a latent code, weights, a transformation) is drawn from PyTorch's
        global generator, in the same way whatever N is, and is the same for all N patches of a draw. So
        patches of one image, sampled from the same state of the generator, fit together.
        """
        raise NotImplementedError(f"{type(self).__name__} gives one prediction, not samples")

    def prepare(
        self, steps: int, unlabelled: Sequence[tuple[int, ...]], labelled: Sequence[tuple[int, ...]] = ()
    ) -> None:
        """Called once before the first step, or before a checkpoint is read.

        Args:
            steps: how long the training is.
            unlabelled: the shape S of each unlabelled case, in the order in which a `Batch` counts them, for
                methods that remember something of each.
            labelled: that of each labelled case, for methods that weigh a prior against the data.
        """
        self.steps = steps

    def after_step(self, step: int) -> None:
        """Move what is not moved by gradients (EMA teacher, memory bank)."""

    def forget(self) -> None:
        """Drop what only training needs; called after the last step, before the learner is kept."""

    def phases(self) -> list[Phase]:
        """The optimisations of one step, in order."""
        return [Phase("train", self.parameters(), self.losses)]

    def forward(self, phase: int, batch: Batch, step: int) -> dict[str, Tensor]:
        """The losses of one phase; the loop calls the module, so that precision and DDP hooks take part."""
        return self.phases()[phase].losses(batch, step)
