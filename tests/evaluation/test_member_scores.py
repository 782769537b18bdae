"""What members say of whole cases, and where they differ."""

import pytest
import torch
from toys import one_weight, tiny_case, tiny_cohort

from medseg_lab.evaluation.members import errors_found, members_of
from medseg_lab.inference.model_ensemble import ModelEnsemble
from medseg_lab.inference.predict import predict_case
from medseg_lab.training.supervised import Supervised
from tests.show.drawn_cases import drawn, flat_case, square


def test_each_whole_case_comes_with_the_prediction_of_each_member():
    members = [one_weight(Supervised, w) for w in (1.0, 3.0)]
    for member in members:
        member.patch = (8, 8)
    cases = [tiny_case(1), tiny_case(2, shape=(5, 9, 20))]
    for one in (ModelEnsemble(learners=members), members[1]):
        wanted = members if one is not members[1] else members[1:]
        found = list(members_of(one, tiny_cohort(), cases))
        assert [each.case for each in found] == cases
        for each in found:
            assert each.samples.shape == (len(wanted), 2, *each.case.label.shape)
            for samples, member in zip(each.samples, wanted, strict=True):
                axis = tiny_cohort().card.preprocessing.slice_axis
                torch.testing.assert_close(samples, predict_case(member, each.case.image, slice_axis=axis))


def test_errors_are_found_as_far_as_the_variance_is_higher_there():
    truth = square(10, 20)
    one = drawn(flat_case([truth]), truth, square(10, 15), square(15, 20))
    # Judged are 26 x 26 pixels: the 100 of the square vary alike, half of them wrong; no other one varies.
    assert errors_found([one]) == pytest.approx((576 + 50 / 2) / 626)
    alike = drawn(flat_case([truth]), square(10, 15), square(10, 15))
    assert errors_found([alike]) == 0.5
