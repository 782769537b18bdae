"""Transformation-consistent self-ensembling: TCSM [21], and TCSMv2 [64] with a teacher (section 3.2)."""

from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.semi.agreement import squared_error
from medseg_lab.semi.consistency import Consistency
from medseg_lab.semi.noise import noisy
from medseg_lab.semi.teacher import TeacherStudent
from medseg_lab.semi.transforms.similarity import draw_similarity


class TCSM(Consistency):
    """The prediction of the turned image must equal the turned prediction of the image.

    T turns and scales, and flips along the axes that the data's card says may be; the authors' flips
    along all. The gradient flows through both sides.
    """

    def consistency_loss(self, batch: Batch, step: int) -> Tensor:
        """||T(f(x)) - f(T(x))||^2, each image under noise of its own."""
        image = self.unlabelled(batch)
        turn = draw_similarity(tuple(image.shape[2:]), batch.mirror)
        first, second = turn(self.student(noisy(image))), self.student(noisy(turn(image)))
        return squared_error(first, second, kept=turn.inside(image).expand(len(image), *image.shape[2:]))


class TCSMv2(TeacherStudent):
    """As TCSM, with a Mean Teacher's prediction on the side that is turned."""

    def consistency_loss(self, batch: Batch, step: int) -> Tensor:
        """||T(f_t(x)) - f_s(T(x))||^2."""
        image = self.unlabelled(batch)
        turn = draw_similarity(tuple(image.shape[2:]), batch.mirror)
        target, found = turn(self.teacher_probabilities(noisy(image))), self.student(noisy(turn(image)))
        return squared_error(found, target, kept=turn.inside(image).expand(len(image), *image.shape[2:]))
