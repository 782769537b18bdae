"""A step on the whole predicted case, after training (survey 2.3.4)."""

from torch import Tensor

from medseg_lab.training.changed import Changed


class PostProcessing(Changed):
    """A trained learner whose predictions are changed case by case; a subclass says how (`process`).

    Post-processing may be put around post-processing, and around an ensemble.
    """

    def process(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """The changed class probabilities of a whole case.

        Args:
            probabilities: `(K, *S)`.
            image: `(C, *S)`, on the same device.
        """
        raise NotImplementedError

    def finish(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """What the learner itself does with a case, then this step."""
        before = super().finish(probabilities, image)
        after = self.process(before, image.to(before.device, before.dtype))
        share = changed_share(before.argmax(dim=0), after.argmax(dim=0), len(after))
        self.note_case(changed=float(share.mean()))
        return after


def changed_share(before: Tensor, after: Tensor, classes: int) -> Tensor:
    """Of each foreground class, the share of its voxels that came or went: 1 - IoU, `(K-1,)`.

    Args:
        before, after: classes `(*S)`.
        classes: K, background included.

    Returns:
        The voxels that only one of the two has, over those that either has; 0 where neither has any.
    """
    foreground = range(1, classes)
    only = before.new_tensor([int(((before == k) ^ (after == k)).sum()) for k in foreground])
    either = before.new_tensor([int(((before == k) | (after == k)).sum()) for k in foreground])
    return only / either.clamp_min(1)


def set_to(probabilities: Tensor, k: int, where: Tensor) -> Tensor:
    """Class probabilities `(K, *S)`, with probability 1 of class k at the voxels `where`, bool `(*S)`."""
    sure = probabilities.new_zeros(len(probabilities), *[1] * where.ndim)
    sure[k] = 1
    return sure.where(where, probabilities)
