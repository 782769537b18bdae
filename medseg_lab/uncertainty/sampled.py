"""What methods share that give several predictions of one image (section 4)."""

from typing import Any

from torch import Tensor

from medseg_lab.data.reading import Reading
from medseg_lab.losses.cross_entropy import CrossEntropy
from medseg_lab.training.changed import Changed
from medseg_lab.training.learner import Learner, Loss
from medseg_lab.training.recipe import default
from medseg_lab.training.segmenter import Segmenter


class MeanOfSamples(Segmenter):
    """Its prediction is the mean of `draws` samples: an estimate of p(y | x), eqs. (11) and (13).

    Attributes:
        draws: how many samples a prediction is the mean of.
    """

    draws = 8

    def predict(self, image: Tensor) -> Tensor:
        """The mean of a few samples, `(N, K, *S)`."""
        return self.sample(image, self.draws).mean(dim=0)


class Sampled(MeanOfSamples, Learner):
    """A learner of section 4: taught with cross-entropy and the labels of a random rater.

    The minimum of the cross-entropy is the true distribution of the labels; the Dice loss is least where
    every voxel is all or nothing, and says nothing of probabilities in between.
    """

    network: Any
    loss: Loss = default(CrossEntropy)
    reading: Reading = "random"

    def needs_cross_entropy(self) -> None:
        """Refuse another loss, for methods whose mathematics is the likelihood.

        Raises:
            ValueError: if the loss is another one.
        """
        if not isinstance(self.loss, CrossEntropy):
            raise ValueError(
                f"{type(self).__name__}: loss: expected CrossEntropy(), the likelihood of the labels, "
                f"got {self.loss!r}"
            )


class Resampled(MeanOfSamples, Changed):
    """A trained learner whose samples are drawn in another way; its prediction is the mean of a few."""
