"""The mean of learners of slices that lie in different planes of a volume (survey 3.1 [59, 60])."""

import torch
from torch import Tensor, nn

from medseg_lab.inference.predict import predict_case
from medseg_lab.training.segmenter import Segmenter


class PlaneEnsemble(Segmenter):
    """The mean of the class probabilities of learners of slices, one for each plane of a volume.

    Slices of different planes meet in whole cases only: of a patch, `predict` tells what the first learner
    says, and `finish` takes the mean with what the others say of the case. It notes of each case `agreed`: of
    the voxels that one learner or more takes for foreground, the share in which all say the same class.

    Args:
        learners: two or more, of one task and of different planes.

    Raises:
        ValueError: for others.
    """

    learners: list[Segmenter]

    def build(self) -> None:
        """Take over what the first learner has."""
        members = list(self.learners)
        planes = [member.plane for member in members]
        if len(members) < 2 or len(set(planes)) < len(planes):
            raise ValueError(f"PlaneEnsemble: learners: expected two or more different planes, got {planes}")
        posed = [(member.task.channels, member.task.classes, member.task.spatial_dims) for member in members]
        if others := set(posed) - {posed[0]}:
            raise ValueError(
                f"PlaneEnsemble: learners: expected all to have channels, classes and dimension {posed[0]}, "
                f"got {others.pop()}"
            )
        if members[0].task.spatial_dims != 2:
            raise ValueError(
                f"PlaneEnsemble: learners: spatial_dims: expected 2, slices of volumes, "
                f"got {members[0].task.spatial_dims}"
            )
        self.task, self.patch, self.precision = members[0].task, members[0].patch, members[0].precision
        self.plane = members[0].plane
        # a buffer, so that a stored ensemble knows the patch of each plane
        self.patches: Tensor
        self.register_buffer("patches", torch.tensor([member.patch or (0, 0) for member in members]))
        self.learners = nn.ModuleList(members)  # type: ignore[assignment]
        self.eval()

    def predict(self, image: Tensor) -> Tensor:
        """What the first learner says of patches, `(N, K, *S)`."""
        return self.learners[0].predict(image)

    def finish(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """The mean over all planes, `(K, *S)`; a slice, which has one plane, stays as it is."""
        if image.ndim < 4:
            return probabilities
        others = zip(self.learners[1:], self.patches.tolist()[1:], strict=True)
        more = [predict_case(one, image, tuple(patch), self.task.slice_axis) for one, patch in others]
        views = torch.stack([probabilities, *more])
        if (share := agreement(views)) is not None:
            self.note_case(agreed=share)
        return views.mean(dim=0)

    def take_reference(self, reference: Tensor) -> None:
        """Pass it on to every member."""
        for member in self.learners:
            member.take_reference(reference)

    def train(self, mode: bool = True) -> "PlaneEnsemble":
        """Stay in evaluation mode."""
        return super().train(False)


def agreement(views: Tensor) -> float | None:
    """Of the voxels that one view or more takes for foreground, the share in which all say the same class.

    Args:
        views: `(V, K, *S)`, class probabilities of one case.

    Returns:
        None where no view sees any foreground.
    """
    classes = views.argmax(dim=1)
    foreground = (classes > 0).any(dim=0)
    same = (classes == classes[0]).all(dim=0)
    return float(same[foreground].float().mean()) if foreground.any() else None
