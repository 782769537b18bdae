"""Deep multi-planar co-training, Zhou et al. [60] (survey 3.1)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.inference.predict import predict_case
from medseg_lab.rounds.planes import Planes
from medseg_lab.training.segmenter import Segmenter


class DMPCT(Planes):
    """Three teachers, one for each plane of a volume, make pseudo-labels together; a student learns them.

    Where all three say the same class, it is kept; elsewhere the class of the most confident of them is.

    Departures: the student goes on from the weights of its own plane's teacher, so that it needs half of the
    first training's steps; the paper's starts anew. The paper goes on with students in all three planes
    (`rounds=2` does), the survey describes one.
    """

    def foretold(self, case: Case, teachers: Sequence[Segmenter], slice_axis: int) -> Tensor:
        """What the three networks say together, `(K, *S)`."""
        views = torch.stack([predict_case(one, case.image, slice_axis=slice_axis) for one in teachers])
        self.compare(views)
        return most_confident(views)


def most_confident(views: Tensor) -> Tensor:
    """At each voxel the probabilities of the network that is surest of its class.

    Where all networks say the same class, so does the surest: the most probable class of what is returned is
    the one agreed on, or else the most confident one.

    Args:
        views: `(V, K, *S)`, class probabilities of V networks.

    Returns:
        `(K, *S)`; of networks that are equally sure, the first one's.
    """
    surest = views.amax(dim=1).argmax(dim=0)  # (*S)
    return views.gather(0, surest[None, None].expand(1, *views.shape[1:]))[0]
