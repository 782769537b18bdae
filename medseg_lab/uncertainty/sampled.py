"""What methods share that give several predictions of one image (section 4)."""

from dataclasses import replace

from torch import Tensor, nn

from medseg_lab.data.reading import Reading, checked_reading
from medseg_lab.data.task import Task
from medseg_lab.training.learner import Learner
from medseg_lab.training.recipe import Recipe

DRAWS = 8


class Sampled(Learner):
    """Its prediction is the mean of `draws` samples: an estimate of p(y | x), eqs. (11) and (13).

    All methods of section 4 are trained with cross-entropy, whose minimum is the true distribution of the
    labels; the Dice loss is least where every voxel is all or nothing, and tells no odds.

    Attributes:
        draws: how many samples a prediction is the mean of.

    Args:
        task: the problem as the cohort poses it.
        network: called with `in_channels`, `out_channels` and `spatial_dims`; the learner's `network`.
        maps: how many maps of logits the network gives for each class.
        reading: whose labels it is taught, where a case has several raters.
        learning_rate: peak of the schedule.
        spatial_dims: 2 to learn slice by slice on a cohort of volumes; None for the cohort's own dimension.

    Raises:
        ValueError: for an unknown reading, naming the known ones.
    """

    draws: int = DRAWS

    def __init__(
        self,
        task: Task,
        network: Recipe,
        maps: int = 1,
        reading: Reading = "random",
        learning_rate: float = 4e-3,
        spatial_dims: int | None = None,
    ) -> None:
        super().__init__(task if spatial_dims is None else replace(task, spatial_dims=spatial_dims))
        self.reading = checked_reading(reading)
        self.learning_rate = learning_rate
        self.network = self.built(network, maps)

    def built(self, network: Recipe, maps: int = 1) -> nn.Module:
        """A network for this task, with so many maps of logits for each class."""
        found: nn.Module = network.build(
            in_channels=self.task.channels,
            out_channels=maps * len(self.task.classes),
            spatial_dims=self.task.spatial_dims,
        )
        return found

    def predict(self, image: Tensor) -> Tensor:
        """The mean of a few samples, `(N, K, *S)`."""
        return self.sample(image, self.draws).mean(dim=0)
