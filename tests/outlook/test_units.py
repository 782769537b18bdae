"""What can be asked for, and what is learned from."""

from dataclasses import replace

import torch
from toys import tiny_cohort

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.splits import Split
from medseg_lab.outlook.units import WHOLE, Unit, cut, marked, pool_of, scores_of, stack, units_of


def volume(number: int, shape: tuple[int, ...], patient: str = "", spacing=(1.0, 1.0, 2.0)) -> Case:
    image = torch.arange(float(torch.tensor(shape).prod())).reshape(1, *shape) + 1000 * number
    return Case(f"c{number}", patient or f"p{number}", image, (image % 3).to(torch.uint8), spacing)


POOL = [volume(1, (2, 3, 7)), volume(2, (3, 2, 4)), volume(3, (2, 3, 7), "p1")]


def test_one_slice_in_so_many_or_each_patient_once():
    assert units_of(POOL, 2, 3) == [(0, 1), (0, 4), (1, 1), (2, 1), (2, 4)]
    assert units_of(POOL[:1], 2, 1) == [(0, s) for s in range(7)]
    assert units_of(POOL, None, 3) == [(0, WHOLE), (1, WHOLE)]


def test_a_stack_has_the_slices_of_the_cases_in_order_and_nothing_else():
    found = stack(POOL, [Unit(1, 3), Unit(0, 4)], 2)
    assert found.image.shape == (1, 3, 3, 2)
    assert torch.equal(found.image[:, :, :2, 0], POOL[1].image[..., 3])
    assert torch.equal(found.image[:, :2, :, 1], POOL[0].image[..., 4])
    assert torch.equal(found.labels[:, :, :2, 0], POOL[1].labels[..., 3])
    assert torch.equal(found.labels[:, :2, :, 1], POOL[0].labels[..., 4])
    for padding in (found.image[:, :, 2, 0], found.image[:, 2, :, 1], found.labels[:, 2, :, 1]):
        assert not padding.any()
    assert found.spacing == (1, 1, 2)


def test_where_a_case_has_voxels_that_nobody_annotated_its_padding_is_one_of_them():
    labels = POOL[0].labels.clone()
    labels[0, 0, 0, 0] = IGNORE
    some = Case("c", "p", POOL[0].image, labels, None)
    found = stack([some, POOL[1]], [Unit(0, 4), Unit(1, 1)], 2)
    assert (found.labels[0, 2, :, 0] == IGNORE).all()
    assert not found.labels[0, :, 2, 1].any()
    assert found.spacing is None


def test_in_a_marked_volume_all_but_the_slices_asked_for_is_unknown():
    first, second = marked(POOL, [Unit(2, 4), Unit(0, 1), Unit(2, 1)], 2)
    assert (first.id, second.id) == ("c3", "c1")
    assert torch.equal(first.labels[..., [1, 4]], POOL[2].labels[..., [1, 4]])
    assert (first.labels[..., [0, 2, 3, 5, 6]] == IGNORE).all()
    assert (second.labels[..., 4] == IGNORE).all()
    assert torch.equal(first.image, POOL[2].image)


def test_scores_add_up_over_a_slice_or_over_all_cases_of_a_patient():
    def worth(image):
        return image[0]

    found = scores_of(units_of(POOL, 2, 3), POOL, 2, worth)
    assert found == {unit: float(cut(POOL[unit.case].image, [unit.slice], 2).sum()) for unit in found}
    whole = scores_of(units_of(POOL, None, 3), POOL, None, worth)
    assert whole == {
        Unit(0, WHOLE): float(POOL[0].image.sum() + POOL[2].image.sum()),
        Unit(1, WHOLE): float(POOL[1].image.sum()),
    }


def test_a_pool_is_of_patients_with_all_their_cases():
    cohort = tiny_cohort(labelled=3)
    assert [case.id for case in pool_of(cohort, 2)] == ["c0", "c1"]
    assert len(pool_of(cohort, 9)) == 3


def test_a_pool_has_the_patients_that_its_draw_labels_first():
    cohort = tiny_cohort(labelled=9)
    split = Split(train=tuple(case.patient for case in cohort.labelled), validation=(), test=())
    for draw in range(4):
        pool = pool_of(replace(cohort, draw=draw), 3)
        assert {case.patient for case in pool} == {*split.labelled(3, draw)}
