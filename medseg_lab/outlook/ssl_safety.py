"""Where images without labels are not what the labels are of (survey 5.4, Singh et al. [88]).

Two ways. The unlabelled images come from another scanner than the labelled ones; or the labels lack a class
that the unlabelled images show. A third, a prior that is wrong, is `Curriculum by size, wrong prior` of
section 3.1 (`medseg_lab.semi.curriculum_size`).
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.losses.dice import DiceCE
from medseg_lab.outlook.other_scanner import Shift, as_from_another_scanner, distance
from medseg_lab.semi.consistency import Consistency
from medseg_lab.semi.mean_teacher import MeanTeacher
from medseg_lab.semi.pi_model import PiModel


class Shifted(Consistency):
    """Before a method of section 3.2: its unlabelled patches come from another scanner.

    Labelled patches are left as they are, and so are those that are predicted. With a strength of 0 it is
    the method that follows, bit for bit.

    Noted: `moved`, how far the shift moves the patches, in their own standard deviations
    (`medseg_lab.outlook.other_scanner.distance`).

    The strength was chosen before anything was trained. What it came to on validation cases of
    msd-hippocampus, with two labelled patients and one seed: labels alone .748, Mean Teacher .761; with
    another contrast .761 at strength 1 and .759 at 4; at strength 2, with noise .759, in another coil .759,
    in thicker slices .737.

    Args:
        shift: what the other scanner does otherwise.
        strength: 1 for what the virtual subjects' variant does.
    """

    shift: Shift = "contrast"
    strength: Annotated[float, Field(ge=0)] = 1.0

    def unlabelled(self, batch: Batch) -> Tensor:
        """The batch's unlabelled patches, as from the other scanner."""
        image = super().unlabelled(batch)
        if batch.views is None:
            raise ValueError(f"{type(self).__name__}: expected patches with their views, got none")
        shifted = as_from_another_scanner(
            image, self.shift, self.strength, batch.views.cases, self.task.spacing
        )
        self.note(moved=distance(image, shifted))
        return shifted


class ShiftedMeanTeacher(Shifted, MeanTeacher):
    """Mean Teacher with unlabelled images of another scanner: teacher and student see the same ones."""


class ShiftedPiModel(Shifted, PiModel):
    """Pi-model with unlabelled images of another scanner."""


@dataclass(frozen=True)
class WithoutClass:
    """Dice loss plus cross entropy, where one class has no label: its voxels are left open.

    Nothing says then what they are: neither this class nor another one. Images without labels show it all
    the same. A loss, so that any method can be taught so.

    Patches are still cut as if all labels were known, half of them about a voxel of a class; so the method
    and the labels alone see the same ones.

    Args:
        missing: the class, 1 or more: the background has to be known.
    """

    missing: int = 1

    def __post_init__(self) -> None:
        if self.missing < 1:
            raise ValueError(f"missing: expected a foreground class, 1 or more, got {self.missing}")

    def __call__(self, logits: Tensor, label: Tensor) -> Tensor:
        """The loss, a scalar, of the other classes.

        Raises:
            ValueError: for a task of fewer than two foreground classes besides, or as `CrossEntropy`.
        """
        if not self.missing < logits.shape[1] > 2:
            raise ValueError(
                f"missing: expected one of two or more foreground classes, got {self.missing} of "
                f"{logits.shape[1] - 1}"
            )
        return DiceCE()(logits, label.masked_fill(label == self.missing, IGNORE))
