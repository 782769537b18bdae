"""What the methods of section 3.2 share: a supervised term, and a term that needs no labels."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.semi.ramp import ramp_up
from medseg_lab.training.supervised import Supervised


class Consistency(Supervised):
    """L = L_S(labelled) + w(step) L_U(unlabelled), equation (10) of the survey.

    L_S is computed first and alone, on the labelled patches as they are: with `weight=0` the network moves
    exactly as its supervised twin, and no unlabelled patch is drawn. The ramp-up w is `ramp_up`. Weight and
    ramp were tuned once for all methods, on validation cases (`book/design.md`); in a short training, a term
    that comes in early slows learning.

    Departure from equation (10): L_U is taken over the unlabelled patches alone, as the authors of UA-MT [20]
    do, except where a method says otherwise.

    Attributes:
        term: what L_U is called in curves.

    Args:
        weight: of the unlabelled term, once it has come in.
        ramp: the share of the training over which it comes in; the authors of UA-MT [20] take all of it.
    """

    weight: Annotated[float, Field(ge=0)] = 10.0
    ramp: Annotated[float, Field(gt=0, le=1)] = 1.0

    term = "consistency"

    def build(self) -> None:
        """The network; unlabelled patches are asked for where they count."""
        super().build()
        self.wants_unlabelled = self.weight > 0

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The supervised term and the weighted unlabelled one."""
        return self.supervised(batch, step) | self.unsupervised(batch, step)

    def supervised(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """L_S: that of the supervised twin."""
        return Supervised.losses(self, batch, step)

    def unsupervised(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """w(step) L_U; nothing where the weight is 0."""
        if self.weight == 0:
            return {}
        return {self.term: self.weight * self.ramp_weight(step) * self.consistency_loss(batch, step)}

    def student(self, image: Tensor) -> Tensor:
        """The probabilities of the network that learns, `(N, K, *S)`."""
        return Supervised.predict(self, image)

    def unlabelled(self, batch: Batch) -> Tensor:
        """The batch's unlabelled patches, `(M, C, *S)`.

        Raises:
            ValueError: if it has none.
        """
        if batch.unlabelled is None:
            raise ValueError(f"{type(self).__name__}: expected a batch with unlabelled patches, got none")
        return batch.unlabelled

    def ramp_weight(self, step: int) -> float:
        """How much of the unlabelled term counts at this step, 0 to 1."""
        return ramp_up(step, self.ramp * self.steps)

    def consistency_loss(self, batch: Batch, step: int) -> Tensor:
        """L_U, a scalar: what the method minimises on images without labels."""
        raise NotImplementedError
