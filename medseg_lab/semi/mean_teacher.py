"""Mean Teacher [66], for segmentation [19] (section 3.2, figure 13, equation 10)."""

from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.semi.agreement import squared_error
from medseg_lab.semi.noise import noisy
from medseg_lab.semi.teacher import TeacherStudent


class MeanTeacher(TeacherStudent):
    """The student must agree with the teacher, each under noise of its own."""

    def consistency_loss(self, batch: Batch, step: int) -> Tensor:
        """||f_s(x, eta) - f_t(x, eta')||^2."""
        image = self.unlabelled(batch)
        return squared_error(self.student(noisy(image)), self.teacher_probabilities(noisy(image)))
