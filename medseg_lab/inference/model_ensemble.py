"""Ensembles of trained learners (survey 2.3.3): over folds [53, 54], over models [46, 55]."""

import torch
from torch import Tensor, nn

from medseg_lab.data.task import Task
from medseg_lab.training.segmenter import Segmenter


class ModelEnsemble(Segmenter):
    """The mean of the class probabilities of learners that were trained each for itself (figure 10).

    A recipe has theirs: `ModelEnsemble(learners=[Supervised(network=UNet()), Supervised(network=VNet())])`.
    Its run lists the runs of its members. They may differ in anything but the task: in the patients that they
    were trained on (`fold`), in network, loss or norm. Probabilities are averaged patch by patch, so a
    member's own case-level step (`finish`) is not applied; wrap the ensemble instead.

    It notes of each case how much its members differ: `variance`, the mean of `member_variance` over the
    voxels that any of them takes for foreground.

    Args:
        learners: two or more, of one task.

    Raises:
        ValueError: for fewer than two, one twice, or learners whose patches differ in dimension, classes or
            plane.
    """

    learners: list[Segmenter]

    def build(self) -> None:
        """Take over what the members share."""
        members = list(self.learners)
        if len(members) < 2:
            raise ValueError(f"ModelEnsemble: learners: expected two or more, got {len(members)}")
        if others := {member.task for member in members} - {members[0].task}:
            task: Task = others.pop()
            raise ValueError(f"ModelEnsemble: learners: expected all to have {members[0].task}, got {task}")
        if len(planes := {member.plane for member in members}) > 1:
            raise ValueError(f"ModelEnsemble: learners: expected slices of one plane, got planes {planes}")
        self.task, self.patch, self.precision = members[0].task, members[0].patch, members[0].precision
        self.plane = members[0].plane
        self.learners = nn.ModuleList(members)  # type: ignore[assignment]
        self.varied = torch.zeros(2)  # since the last case: their variance summed over voxels, and how many
        self.eval()

    @property
    def members(self) -> int:
        """M, how many they are."""
        return len(self.learners)

    def predict(self, image: Tensor) -> Tensor:
        """The mean over the members, `(N, K, *S)`, eq. (11)."""
        members = self.sample(image, self.members)  # (M, N, K, *S)
        marked = (members.argmax(dim=2) > 0).any(dim=0)
        varied = member_variance(members.detach().transpose(1, 2))[marked]
        self.varied = self.varied.to(varied) + torch.stack([varied.sum(), marked.sum()])
        return members.mean(dim=0)

    def finish(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """The probabilities as they are; what was seen of the members' variance is noted of the case."""
        total, voxels = self.varied.tolist()
        if voxels:
            self.note_case(variance=total / voxels)
        self.varied = torch.zeros(2)
        return probabilities

    def sample(self, image: Tensor, n: int) -> Tensor:
        """The members in turn, `(n, N, K, *S)`: sample i is that of member i mod M."""
        found = torch.stack([member.predict(image) for member in self.learners[:n]])
        return found[torch.arange(n) % len(found)]

    def take_reference(self, reference: Tensor) -> None:
        """Pass it on to every member."""
        for member in self.learners:
            member.take_reference(reference)

    def train(self, mode: bool = True) -> "ModelEnsemble":
        """Stay in evaluation mode."""
        return super().train(False)


def member_variance(members: Tensor) -> Tensor:
    """How much members differ at each voxel: the sum over the classes of the variance of their probabilities.

    By so much is the squared error (Brier score) of their mean smaller than the mean of their squared errors,
    whatever the truth is. 0 where all say the same; 1 - 1/M where each is certain of another class.

    Args:
        members: `(M, K, *S)`, probabilities of M members.

    Returns:
        `(*S)`, float32.
    """
    return members.float().var(dim=0, correction=0).sum(dim=0)
