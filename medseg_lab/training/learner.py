"""What one method of the survey adds to the shared loop."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field
from torch import Tensor, nn

from medseg_lab.data.augment import Augmentation
from medseg_lab.data.batch import Batch
from medseg_lab.data.reading import Reading
from medseg_lab.data.task import Task
from medseg_lab.losses.dice import DiceCE
from medseg_lab.training.recipe import Recipe, default
from medseg_lab.training.segmenter import Segmenter

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort

Loss = Callable[..., Tensor]
"""From logits `(N, K, *S)` and labels `(N, *S)` to a scalar.

A loss may have a method `weight_map(label, spacing)` (`medseg_lab.data.weight_maps.WeightMap`): then it also
takes the weights `(N, *S)` of its voxels, as its third argument.
"""


@dataclass(frozen=True)
class Phase:
    """One optimisation inside a step: which parameters move, and down which losses.

    Most learners have one phase. An adversarial one has two: the segmenter's and the discriminator's.

    Args:
        name: what its losses are called by in curves, where there are several phases.
        parameters: those that it moves.
        losses: its named terms, of a batch and a step.
        rate: its share of the learning rate at a step. AdamW divides a gradient by its own size, so a factor
            on the losses of a phase that has no other does nothing; a weight or ramp belongs here.
        slower: parameters that move at a share of the learning rate, by that share.
    """

    name: str
    parameters: Iterable[nn.Parameter]
    losses: Callable[[Batch, int], dict[str, Tensor]]
    rate: Callable[[int], float] = lambda step: 1.0
    slower: Mapping[float, Iterable[nn.Parameter]] = field(default_factory=dict)


class Learner(Segmenter):
    """Base of every method that is trained: it owns its networks and says what their losses are.

    The loop (`medseg_lab.training.loop.train`) calls `losses` for each batch, adds up what comes back, steps
    the optimiser, then calls `after_step`. Two rules make a resumed run equal to one never stopped:
    everything a method remembers between steps (a teacher, a memory bank) is a buffer or a submodule, so
    that a checkpoint holds it; and random numbers come from PyTorch's global generator, which the loop seeds
    anew in each step.

    Attributes:
        steps: how long the training is, for schedules of the method's own; set by `prepare`.
        wants_unlabelled: whether batches are to carry unlabelled patches.
        visits: how often an unlabelled patch is met in a training. 1: each step has new ones. More: there are
            fewer places, visited in turn, for a learner that compares with what it saw there before.
        batch_share: labelled patches of a step over what the budget gives: a control at another's cost.
        step_share: steps of the training over those of the budget, for one that goes on from another.
        rate_share: its learning rate over that of one from new weights, likewise.
        pseudo_labels: what `learn_from` made of cases, as a file (`LabelMaps.content`), to be kept with the
            run; empty for nothing.

    Args:
        task: the problem as the cohort poses it. `self.task` has the dimension of the patches.
        network: as a recipe; it is called with `in_channels`, `out_channels` and `spatial_dims`. None is for
            a learner that makes its own modules; most bases require one.
        loss: as a recipe: of logits `(N, K, *S)` against labels `(N, *S)`.
        learning_rate: the peak of the schedule (`medseg_lab.training.schedule`).
        weight_decay: of AdamW; none by default. A step takes a share `learning_rate * weight_decay` off each
            weight: 1e-5 would take less than 0.002% in 600 steps, and what a norm follows is scaled anyway.
        clip_norm: the gradient of a phase is scaled down to this Euclidean norm if it is longer.
        spatial_dims: 2 to learn slice by slice on a cohort of volumes; None for the cohort's own dimension.
        reading: which labels it is taught, where a case has several raters.
        augmentation: as a recipe: how its training patches are varied.
        fold: `(i, k)` trains without part i, counted from 0, of the labelled patients dealt to k parts
            (survey 2.3.3); all of them by default.
        batch_size: patches of a step; None for as many as the budget's voxels fill.
        plane: the plane of a volume in which the slices of a learner of slices lie: 0 for the data set's own,
            across its slice axis; 1 and 2 for slices across the axis after it, and after that.
        optimiser: "adamw", or "sgd" for nnU-Net's [46]: Nesterov momentum of 0.99.
    """

    task: Task = field(kw_only=False)
    network: Any = None
    loss: Loss = default(DiceCE)
    learning_rate: Annotated[float, Field(gt=0)] = 4e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip_norm: Annotated[float, Field(ge=0)] = 12.0
    spatial_dims: Literal[2, 3] | None = None
    reading: Reading = "reference"
    augmentation: Augmentation = default(Augmentation)
    fold: tuple[int, ...] = ()
    batch_size: Annotated[int, Field(ge=1)] | None = None
    plane: Annotated[int, Field(ge=0, le=2)] = 0
    optimiser: Literal["adamw", "sgd"] = "adamw"

    wants_unlabelled = False
    visits = 1
    batch_share = 1.0
    step_share = 1.0
    rate_share = 1.0
    steps = 0
    pseudo_labels = b""

    def build(self) -> None:
        """The loss, the augmentation, and one network for the task."""
        if self.fold and not (len(self.fold) == 2 and 0 <= self.fold[0] < self.fold[1] >= 2):
            raise ValueError(
                f"{type(self).__name__}: fold: expected (i, k) with 0 <= i < k and k of 2 or more, "
                f"got {self.fold}"
            )
        if self.spatial_dims is not None:
            self.task = self.task.in_dimension(self.spatial_dims, self.plane)
        self.noted: dict[str, Tensor | float] = {}
        if "network" not in self.recipes and (self.network is not None or self._needs_network):
            said = type(self.network).__name__
            raise ValueError(f"{type(self).__name__}: network: expected a recipe, got {said}")
        super().build()

    def built(self, name: str, recipe: Recipe) -> Any:
        """A network for the task; anything else takes nothing."""
        return self.new_network() if name == "network" else super().built(name, recipe)

    @property
    def _needs_network(self) -> bool:
        return next(each.default for each in fields(self) if each.name == "network") is MISSING

    def new_network(self, in_channels: int | None = None, out_channels: int | None = None) -> nn.Module:
        """A network by the recipe, with new weights, for the task's channels and classes by default."""
        found: nn.Module = self.recipes["network"].build(
            in_channels=self.task.channels if in_channels is None else in_channels,
            out_channels=len(self.task.classes) if out_channels is None else out_channels,
            spatial_dims=self.task.spatial_dims,
        )
        return found

    @property
    def loss_name(self) -> str:
        """What the loss is called in curves: `dice_ce` for `DiceCE`."""
        name = getattr(self.loss, "__name__", type(self.loss).__name__)
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The named terms of this step's objective, scalars that the loop adds up."""
        raise NotImplementedError

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

    @classmethod
    def teachers(cls, arguments: Mapping[str, Any]) -> Sequence[Recipe]:
        """The recipes that are trained before this one, for `learn_from`; mostly none.

        Each is a run of its own, which the run lists as its `bases`: one round rests on the one before.

        Args:
            arguments: those of this learner's recipe.
        """
        return ()

    def learn_from(self, cohort: "Cohort", teachers: Sequence[Segmenter]) -> "Cohort":
        """Called once before `prepare`: what the trained `teachers` are for, and what it learns from.

        Whatever chance takes part in is drawn from PyTorch's global generator, which is seeded before. A
        training that was interrupted calls it again.

        Args:
            cohort: the cases; labels of the unlabelled ones are withheld.
            teachers: trained, in the order of their recipes.

        Returns:
            The cohort whose patches it is given: the same, unless labels are replaced.
        """
        return cohort

    def steps_within(self, steps: int) -> int:
        """How many steps the training has where the budget allows so many; at least one."""
        return max(1, round(steps * self.step_share))

    def note(self, **shares: Tensor | float) -> None:
        """Write down what the idea of the method did in this step, beside the losses: `note(kept=0.4)`.

        A term that acts on nothing looks like a method that does not help. So a run keeps the mean of each
        number over the second half of the training as its `activity`, and verdicts read it.

        Args:
            shares: finite scalars by name; curves have them as `noted.<name>`.
        """
        self.noted |= shares

    def after_step(self, step: int) -> None:
        """Move what is not moved by gradients (EMA teacher, memory bank)."""

    def forget(self) -> None:
        """Drop what only training needs; called after the last step, before the learner is kept."""

    def phases(self) -> list[Phase]:
        """The optimisations of one step, in order."""
        return [Phase("train", self.parameters(), self.losses, rate=lambda step: self.rate_share)]

    def forward(self, phase: int, batch: Batch, step: int) -> dict[str, Tensor]:
        """The losses of one phase; the loop calls the module, so that precision and DDP hooks take part."""
        return self.phases()[phase].losses(batch, step)
