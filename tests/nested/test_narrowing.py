"""A case, narrowed once for each way of setting the boxes."""

import torch
from test_three_step import cascade, onion

from medseg_lab.data.case import Case
from medseg_lab.nested.boxes import box_of
from medseg_lab.nested.narrowing import narrowings, shifted


def test_boxes_lie_around_what_is_found_or_around_a_reference():
    learner, label = cascade(margin=1), onion()
    learner.patch = (40, 40)
    case = Case("a", "p", label[None].float(), label[None], None)
    away = shifted(label, 20)
    plain, true, moved = narrowings(learner, case, [None, label, away])
    wanted = tuple(box_of(label >= level, 1) for level in (1, 2))
    assert plain.boxes == true.boxes == true.true_boxes == moved.true_boxes == wanted
    assert moved.boxes == tuple(box_of(away >= level, 1) for level in (1, 2))
    assert (plain.found == label.numpy()).all()
    assert (moved.found >= 2).sum() < (plain.found >= 2).sum()
    assert torch.equal(shifted(label, 0), label)
    # nothing comes back at the other end
    assert shifted(torch.ones(5, 2), 2).sum(1).tolist() == [0, 0, 2, 2, 2]
    assert len(learner.network[0].seen) == 1  # the first step is done once
