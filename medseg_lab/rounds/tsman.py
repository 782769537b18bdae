"""Two-stream mutual attention and hierarchical distillation: TSMAN [62] (survey 3.1, figure 12)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE, Case
from medseg_lab.inference.predict import covered
from medseg_lab.rounds.rounds import Rounds
from medseg_lab.rounds.two_streams import TwoStreams, damp_gradient, disagreement
from medseg_lab.semi.other_start import OtherStart
from medseg_lab.training.recipe import Recipe, recipe
from medseg_lab.training.segmenter import Segmenter
from medseg_lab.training.supervised import activity
from medseg_lab.uncertainty.test_time_augmentation import ImageChange, answers

TURN = 10.0
"""By how many degrees copies of an image are turned, either way: half of what training turns patches by."""


class TSMAN(Rounds):
    """Two streams learn the same labels, which count less where the streams disagree.

    A voxel's gradient is multiplied by 1 - d, with d the `disagreement` of the two streams there: a wrong
    label is learned in a different way by each, while it is new. Within the networks each stream shows the
    other where to look (`TwoStreams`). Pseudo-labels come from hierarchical distillation: each network's
    prediction is averaged over changed copies of the image, then over the networks. The prediction is the
    mean of the streams.

    Ours: the first networks are the supervised twin and another one from other initial weights, each trained
    alone; attention and damping begin with the pseudo-labels. The authors have both from the start, which
    `rounds=0` shows. The attention is one map a level; and what damps is d, not a network that learns to. The
    survey calls the network DAN; here it has the authors' later name, to be told apart from Zhang's [73].

    The learner notes `damped`, the share of the gradient that damping takes, measured by 1 - p of the label;
    `disagreement`, the mean of d; `attention` (`TwoStreams`); and `changed`, the share of the pseudo-labels
    that the changed copies made another class.

    Args:
        damped: which labels count less where the streams disagree.
        attention: False leaves the features of the streams alone.
        copies: False for model distillation: no changed copies, the mean over the networks alone.
    """

    rounds: Annotated[int, Field(ge=0)] = 1
    cases: Annotated[int, Field(ge=1)] = 20
    damped: Literal["pseudo", "all", "none"] = "pseudo"
    attention: bool = True
    copies: bool = True

    def build(self) -> None:
        """The two streams, and how copies of an image are changed."""
        super().build()
        dims = self.task.spatial_dims
        self.network = TwoStreams(self.network, self.new_network(), dims, self.attention)
        self.changes = changes(dims, self.task.mirror) if self.copies else []

    @classmethod
    def teachers(cls, arguments: Mapping[str, Any]) -> Sequence[Recipe]:
        """The round before; before the first round, the supervised twin and one from other weights."""
        found = super().teachers(arguments)
        if cls.asked(arguments, "rounds") != 1:
            return found
        return [*found, recipe(OtherStart, **found[0].arguments)]

    def start_from(self, teachers: Sequence[Segmenter]) -> None:
        """Two networks become the two streams."""
        if len(teachers) == 1:
            return super().start_from(teachers)
        for stream, teacher in zip(self.network.streams, teachers, strict=True):
            before: Any = teacher
            stream.load_state_dict(before.network.state_dict())

    def foretold(self, case: Case, teachers: Sequence[Segmenter], slice_axis: int) -> Tensor:
        """The mean over copies and networks, `(K, *S)`."""
        said = [distilled(teacher, self.changes, case.image, slice_axis) for teacher in teachers]
        plain, averaged = torch.stack(said).mean(dim=0)
        self.moved += [plain[0].numel(), int((plain.argmax(dim=0) != averaged.argmax(dim=0)).sum())]
        return averaged

    def taught(
        self, cases: Sequence[Case], teachers: Sequence[Segmenter], slice_axis: int
    ) -> tuple[Case, ...]:
        """The cases with pseudo-labels; notes what the changed copies changed, too."""
        self.moved = np.zeros(2)
        found = super().taught(cases, teachers, slice_axis)
        self.made["changed"] = self.moved[1] / self.moved[0]
        return found

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The supervised term of both streams, and that of the pseudo-labels."""
        known = self.of_streams(batch.image, batch.label, self.damped == "all")
        return {self.loss_name: known} | self.unsupervised(batch, step)

    def of_pseudo(self, image: Tensor, label: Tensor) -> Tensor:
        """L_U of both streams."""
        return self.of_streams(image, label, self.damped != "none")

    def of_streams(self, image: Tensor, label: Tensor, damp: bool) -> Tensor:
        """The loss of the two streams, added up; notes how far they are apart."""
        first, second = self.network(image)
        apart = disagreement(first, second)
        self.note(disagreement=apart.mean(), **activity(self.network))
        if damp:
            wrong = error((first, second), label)
            self.note(damped=(apart * wrong).sum() / wrong.sum().clamp_min(1e-12))
            first, second = (damp_gradient(logits, 1 - apart) for logits in (first, second))
        return self.loss(first, label) + self.loss(second, label)

    def predict(self, image: Tensor) -> Tensor:
        """The mean of the streams, `(N, C, *S)` to `(N, K, *S)`."""
        first, second = self.network(image)
        return (first.float().softmax(dim=1) + second.float().softmax(dim=1)) / 2


def error(logits: Sequence[Tensor], label: Tensor) -> Tensor:
    """1 - p of the label, `(N, *S)`, the mean over several logits `(N, K, *S)`; 0 where no label is."""
    known = label != IGNORE
    of_label = (label * known).unsqueeze(1)
    with torch.no_grad():
        p = torch.stack([each.float().softmax(dim=1).gather(1, of_label)[:, 0] for each in logits]).mean(
            dim=0
        )
        return (1 - p) * known


def changes(spatial_dims: int, mirror: Sequence[int]) -> list[ImageChange]:
    """How copies differ from the image: turned in the plane of the last two axes, and each allowed flip."""
    angle = np.deg2rad(TURN)
    turned = np.eye(spatial_dims)
    turned[-2:, -2:] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    unflipped, flips = np.zeros((1, spatial_dims), bool), np.eye(spatial_dims, dtype=bool)
    found = [ImageChange(matrix[None], unflipped, None) for matrix in (turned, turned.T)]
    return found + [ImageChange(np.eye(spatial_dims)[None], flips[axis][None], None) for axis in mirror]


def distilled(learner: Segmenter, changes: Sequence[ImageChange], image: Tensor, slice_axis: int) -> Tensor:
    """What a learner says of a case, and the mean of it and what it says of changed copies: `(2, K, *S)`."""

    def look(patches: Tensor) -> Tensor:
        plain = learner.predict(patches).float()
        copies = plain[None]
        if changes:
            copies = torch.cat((copies, answers(learner, patches, changes, plain)))
        return torch.cat((plain, copies.mean(dim=0)), dim=1)

    found = covered(learner, image, look, slice_axis=slice_axis, passes=1 + len(changes))
    return found.unflatten(0, (2, -1))
