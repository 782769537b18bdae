"""What the methods of section 3.2 share: a supervised term, and a term that wants no labels."""

from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.data.task import Task
from medseg_lab.semi.ramp import ramp_up
from medseg_lab.training.recipe import Recipe
from medseg_lab.training.supervised import LossName, Supervised

WEIGHT = 10.0
"""Tuned once for all methods, on validation cases (`book/design.md`)."""
RAMP = 1.0
"""As the authors of UA-MT [20] have it. In a short training, a term that comes in early slows learning."""


class Consistency(Supervised):
    """L = L_S(labelled) + w(step) L_U(unlabelled), equation (10) of the survey.

    L_S is computed first and alone, on the labelled patches as they are: with `weight=0` the network moves
    exactly as its supervised twin. The ramp-up w is `ramp_up`.

    Departure from equation (10): L_U is taken over the unlabelled patches alone, as the authors of UA-MT [20]
    do, except where a method says otherwise.

    Args:
        task, network, loss, learning_rate, spatial_dims: as in `Supervised`.
        weight: of the unlabelled term, once it has come in.
        ramp: the share of the training over which it comes in.

    Raises:
        ValueError: for a weight below 0, or a ramp that is not a share above 0.
    """

    wants_unlabelled = True
    term = "consistency"

    def __init__(
        self,
        task: Task,
        network: Recipe,
        weight: float = WEIGHT,
        ramp: float = RAMP,
        loss: LossName = "dice_ce",
        learning_rate: float = 4e-3,
        spatial_dims: int | None = None,
    ) -> None:
        super().__init__(task, network, loss, learning_rate, spatial_dims)
        if weight < 0:
            raise ValueError(f"weight: got {weight}, wanted 0 or more")
        if not 0 < ramp <= 1:
            raise ValueError(f"ramp: got {ramp}, wanted a share of the training, above 0 and up to 1")
        self.weight, self.ramp = weight, ramp

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The supervised term and the weighted unlabelled one."""
        return self.supervised(batch, step) | self.unsupervised(batch, step)

    def supervised(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """L_S: that of the supervised twin."""
        return Supervised.losses(self, batch, step)

    def unsupervised(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """w(step) L_U."""
        return {self.term: self.weight * self.came_in(step) * self.disagreement(batch, step)}

    def student(self, image: Tensor) -> Tensor:
        """The probabilities of the network that learns, `(N, K, *S)`."""
        return Supervised.predict(self, image)

    def unlabelled(self, batch: Batch) -> Tensor:
        """The batch's unlabelled patches, `(M, C, *S)`.

        Raises:
            ValueError: if it has none.
        """
        if batch.unlabelled is None:
            raise ValueError(f"{type(self).__name__}: got a batch without unlabelled patches, wanted some")
        return batch.unlabelled

    def came_in(self, step: int) -> float:
        """How much of the unlabelled term counts at this step, 0 to 1."""
        return ramp_up(step, self.ramp * self.steps)

    def disagreement(self, batch: Batch, step: int) -> Tensor:
        """L_U, a scalar: what the method wants to be small on images without labels."""
        raise NotImplementedError
