"""The control that marks nothing."""

from toys import SMALL, noise_batch, sampled, task

from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty.nothing import Nothing


def test_every_sample_is_sure_of_background_and_nothing_is_counted_as_learned():
    method = Nothing(learner=Supervised(task(2, 3), network=SMALL))
    found = sampled(method, noise_batch().image, 2)
    assert found.shape == (2, 2, 3, 16, 12)
    assert (found[:, :, 0] == 1).all()
    assert (found[:, :, 1:] == 0).all()
    assert not [p for p in method.parameters() if p.requires_grad]
