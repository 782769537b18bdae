import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medseg_lab.data.card import Parts
from medseg_lab.data.case import Case
from medseg_lab.data.folds import outside
from medseg_lab.data.splits import Split, fewest, shuffled, split

PARTS = Parts(test=0.2, validation=0.1)
patients = st.sets(st.text(min_size=1, max_size=6), min_size=8, max_size=60)
seeds = st.integers(0, 2**32)


@given(patients, seeds)
def test_every_patient_is_in_exactly_one_part(people, seed):
    parts = split(shuffled(people, seed), PARTS)
    assert sorted(parts.train + parts.validation + parts.test) == sorted(people)


@given(patients, seeds)
def test_no_part_strays_from_its_share_by_a_whole_patient(people, seed):
    parts = split(shuffled(people, seed), PARTS)
    assert abs(len(parts.test) - 0.2 * len(people)) <= 1
    assert abs(len(parts.validation) - 0.1 * len(people)) <= 1


@given(patients, seeds, st.data())
def test_fewer_labels_are_a_subset_of_more(people, seed, data):
    parts = split(shuffled(people, seed), PARTS)
    few = data.draw(st.integers(1, len(parts.train)))
    more = data.draw(st.integers(few, len(parts.train)))
    assert set(parts.labelled(few)) <= set(parts.labelled(more)) <= set(parts.train)
    assert len(parts.labelled(few)) == few


@given(patients, seeds, st.data())
def test_capped_parts_are_prefixes_of_the_full_ones(people, seed, data):
    order = shuffled(people, seed)
    full, capped = split(order, PARTS), split(order[: data.draw(st.integers(5, len(order)))], PARTS)
    for part in ("train", "validation", "test"):
        some = getattr(capped, part)
        assert getattr(full, part)[: len(some)] == some


@given(patients, seeds, st.randoms())
def test_the_order_does_not_depend_on_how_patients_are_listed(people, seed, random):
    listed = sorted(people) * 2
    random.shuffle(listed)
    assert shuffled(listed, seed) == shuffled(people, seed)


@given(patients, st.text(min_size=7, max_size=8), seeds)
def test_a_newcomer_leaves_the_others_in_their_order(people, newcomer, seed):
    with_newcomer = shuffled(people | {newcomer}, seed)
    assert tuple(p for p in with_newcomer if p != newcomer) == shuffled(people, seed)


def test_another_seed_is_another_order():
    people = [str(i) for i in range(20)]
    assert shuffled(people, 0) != shuffled(people, 1)


def test_two_hundred_and_sixty_patients_hold_out_fifty_two():
    parts = split(tuple(map(str, range(260))), PARTS)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (182, 26, 52)


def test_five_patients_are_the_fewest_at_the_usual_shares():
    """Dealt by hand: the furthest behind its share is first train, then test, train, train, validation."""
    assert fewest(Parts()) == 5
    parts = split(("a", "b", "c", "d", "e"), Parts())
    assert (parts.train, parts.test, parts.validation) == (("a", "c", "d"), ("b",), ("e",))


def test_too_few_patients_are_refused():
    with pytest.raises(
        ValueError, match="expected 5 patients or more, one for each of test, validation, train, got 2"
    ):
        split(("a", "b"), PARTS)


@pytest.mark.parametrize("n", [0, 8])
def test_a_number_of_labels_out_of_range_is_refused(n):
    with pytest.raises(ValueError, match=f"expected 1 to 7 patients, got {n}"):
        split(tuple(map(str, range(10))), PARTS).labelled(n)


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ((("a", "b"), ("b",), ("c",)), "b: expected in one part only, got train and validation"),
        ((("a", "b"), ("d",), ("a",)), "a: expected in one part only, got train and test"),
        ((("a", "b"), ("d",), ("c", "d")), "d: expected in one part only, got validation and test"),
    ],
)
def test_a_patient_in_two_parts_is_refused(parts, named):
    with pytest.raises(ValueError, match=f"patient {named}"):
        Split(*parts)


def test_each_patient_is_left_out_of_exactly_one_fold() -> None:
    image, label = torch.zeros(1, 2, 2), torch.zeros(1, 2, 2, dtype=torch.uint8)
    cases = [Case(f"{p}-{scan}", p, image, label, None) for p in "abcde" for scan in range(2)]
    kept = [[case.id for case in outside(cases, fold, 3)] for fold in range(3)]
    left = ["".join(sorted({case.patient for case in cases} - {id[0] for id in ids})) for ids in kept]
    assert left == ["ad", "be", "c"]
    assert [len(ids) for ids in kept] == [6, 6, 8]
    with pytest.raises(ValueError, match="expected 6 labelled patients or more, got 5"):
        outside(cases, 0, 6)
