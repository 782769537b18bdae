"""A network says which labels it wants, and learns from no others."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from toys import SCALE, SMALL, differing, task, tiny_budget, tiny_cohort

from medseg_lab.data.case import Case
from medseg_lab.inference.predict import predict_case
from medseg_lab.inference.sample import sample_case
from medseg_lab.outlook.acquisition import uncertainty
from medseg_lab.outlook.active_learning import ActiveLearning, Untrained
from medseg_lab.outlook.units import WHOLE, Unit
from medseg_lab.training.begin import begin
from medseg_lab.training.device import make_fabric
from medseg_lab.training.notation import written
from medseg_lab.training.recipe import recipe
from medseg_lab.uncertainty.mc_dropout import MCDropout

COHORT = tiny_cohort(3, 3, labelled=4, unlabelled=1, shape=(20, 18, 16), patch=32)
ACTIVE = partial(recipe, ActiveLearning, network=SMALL, spatial_dims=2, start=3, each=2, passes=3)
STRATEGIES = ("entropy", "bald", "variance", "random", "foreground")


def begun(target, cohort=COHORT, seed=0):
    """The learner before its first step and its batches, on rounds that have learned nothing."""
    teachers = [begun(base, cohort, seed)[0] for base in target.bases]
    room = tiny_budget(voxels=3 * 32**2, patch=32)
    learner, batches = begin(target, cohort, room, seed, make_fabric("32-true"), teachers)
    learner.patch = batches.patch
    return learner, batches


def flat(learner):
    return [unit for of_round in learner.asked_for for unit in of_round]


def with_worth(learner, worth):
    """The learner, to which each voxel of an image is worth what `worth` says."""
    learner.worth = lambda before, slice_axis, image: worth(image)
    return learner


@pytest.mark.parametrize("ask", STRATEGIES)
def test_rounds_are_nested_ask_for_nothing_twice_and_start_alike(ask):
    rounds = [begun(ACTIVE(ask=ask, rounds=r))[0] for r in range(4)]
    for r, learner in enumerate(rounds):
        assert [len(of) for of in learner.asked_for] == [3, *[2] * r]
        assert learner.asked_for[: r or 1] == rounds[max(0, r - 1)].asked_for
        assert len(set(flat(learner))) == len(flat(learner))
        assert all(unit.slice % 3 == 1 for unit in flat(learner))  # one slice in three
    assert rounds[0].asked_for == begun(ACTIVE(ask="random", rounds=0))[0].asked_for
    assert rounds[3].asked_for != begun(ACTIVE(ask=ask), seed=1)[0].asked_for


def test_one_start_serves_all_strategies_and_rests_on_no_label():
    starts = {written(ACTIVE(ask=ask, rounds=1, share=0.5, rate=1.0).bases[0]) for ask in STRATEGIES}
    (start,) = starts
    assert start == written(recipe(ActiveLearning, network=SMALL, spatial_dims=2, start=3, rounds=0))
    (before,) = ACTIVE(rounds=0).bases
    assert written(before) == written(recipe(Untrained, network=SMALL, spatial_dims=2))
    learner, batches = begun(before)
    assert (learner.steps_within(600), learner.rate_share) == (1, 0)
    batch = batches.batch(0)
    other = batch._replace(label=2 - batch.label)
    assert learner.losses(batch, 0) == learner.losses(other, 0) == {"nothing": 0}
    assert differing(learner.network, begun(ACTIVE(rounds=0))[0].network) == []


@pytest.mark.parametrize("unit", ["slice", "patient"])
@pytest.mark.parametrize("ask", STRATEGIES)
def test_labels_that_were_not_asked_for_are_not_read(ask, unit):
    """Poisoned: everything else is class 2. What is asked for, drawn and noted stays the same to the bit."""
    target = ACTIVE(ask=ask, rounds=1, unit=unit, start=1 + 2 * (unit == "slice"), each=1)
    learner, batches = begun(target)
    asked, poisoned = {*flat(learner)}, []
    for number, case in enumerate(COHORT.labelled):
        labels = torch.full_like(case.labels, 2)
        for unit_, label in ((u, case.labels) for u in asked if u.case == number):
            where = ... if unit_.slice == WHOLE else (..., unit_.slice)
            labels[where] = label[where]
        poisoned.append(Case(case.id, case.patient, case.image, labels, case.spacing))
    other, drawn = begun(target, replace(COHORT, labelled=tuple(poisoned)))
    assert (other.asked_for, other.made) == (learner.asked_for, learner.made)
    for step in range(6):
        one, same = batches.batch(step), drawn.batch(step)
        assert torch.equal(one.image, same.image)
        assert torch.equal(one.label, same.label)


@pytest.mark.parametrize("ask", ["entropy", "bald", "variance"])
def test_a_round_asks_for_what_is_worth_most(ask):
    """The brightest slices of the pool, of those that have no label."""
    learner = with_worth(ACTIVE(ask=ask, rounds=1).build(COHORT.task), lambda image: image[0])
    before, _ = begun(ACTIVE(rounds=0))
    learner.learn_from(COHORT, [before])
    sums = {
        Unit(i, s): float(case.image[0, ..., s].sum())
        for i, case in enumerate(COHORT.labelled)
        for s in range(1, 16, 3)
        if Unit(i, s) not in flat(before)
    }
    best = sorted(sums, key=lambda unit: -sums[unit])[:2]
    assert learner.asked_for[1] == best
    mean = sum(sums.values()) / len(sums)
    assert learner.made["lift"] == pytest.approx(sum(sums[u] for u in best) / 2 / mean, rel=1e-4)


def test_foreground_keeps_to_chance_among_units_with_any_predicted():
    """They are asked for first, in the order of chance, however much there is in them; then the others."""
    units = [Unit(i, s) for i in range(4) for s in range(1, 16, 3)]
    amount = {Unit(0, 4): 1.0, Unit(2, 7): 100.0, Unit(3, 13): 10.0}
    before, _ = begun(ACTIVE(rounds=0))

    def order(ask):
        learner = with_worth(ACTIVE(ask=ask, rounds=1, each=20).build(COHORT.task), seen)
        torch.manual_seed(5)
        return learner.next_units(units, [], COHORT.labelled, 2, before, 2)

    def seen(image):
        found = torch.zeros(image.shape[1:])
        for unit, voxels in amount.items():
            for i in range(image.shape[-1]):
                if torch.equal(image[..., i], COHORT.labelled[unit.case].image[..., unit.slice]):
                    found[0, 0, i] = voxels
        return found

    chance = order("random")
    assert sorted(chance) == units != chance
    assert order("foreground") == sorted(chance, key=lambda unit: unit not in amount)
    assert order("bald")[:3] == [Unit(2, 7), Unit(3, 13), Unit(0, 4)]


def test_what_a_voxel_is_worth():
    """To "foreground", whether any is predicted; else its uncertainty, over passes with dropout."""
    before, _ = begun(ACTIVE(rounds=0))
    image = COHORT.labelled[0].image[..., :3]
    found = ACTIVE(ask="foreground").build(COHORT.task).worth(before, 2, image)
    predicted = predict_case(before, image, slice_axis=2).argmax(dim=0)
    assert predicted.unique().numel() > 1
    assert torch.equal(found, (predicted > 0).float())
    for ask in ("entropy", "bald", "variance"):
        found = ACTIVE(ask=ask, passes=5).build(COHORT.task).worth
        torch.manual_seed(4)
        samples = sample_case(MCDropout(learner=before), image, 5, slice_axis=2)
        torch.manual_seed(4)
        torch.testing.assert_close(found(before, 2, image), uncertainty(samples, ask))


def test_what_it_notes_by_hand():
    learner, _ = begun(ACTIVE(ask="random", rounds=2))
    assert (learner.made["units"], learner.made["like_random"]) == (7, 1)
    shows = [bool((COHORT.labelled[u.case].label[..., u.slice] > 0).any()) for u in flat(learner)[3:]]
    assert learner.made["foreground"] == sum(shows) / 4
    assert "lift" not in learner.made


def test_a_round_goes_on_from_the_weights_or_begins_anew():
    (start,) = ACTIVE(rounds=1).bases
    before, _ = begun(start)
    torch.nn.init.ones_(before.network.head.weight)
    for anew in (False, True):
        learner = ACTIVE(rounds=1, share=0.5, rate=0.25, anew=anew).build(COHORT.task)
        own = [weight.clone() for weight in learner.network.parameters()]
        learner.learn_from(COHORT, [before])
        wanted = own if anew else before.network.parameters()
        assert all(map(torch.equal, learner.network.parameters(), wanted))
        assert (learner.steps_within(600), learner.rate_share) == (300, 0.25)
    assert (before.steps_within(600), before.rate_share) == (600, 1)


def test_a_pool_that_has_no_more_gives_what_it_has():
    learner, _ = begun(ACTIVE(ask="bald", rounds=2, each=12))
    assert [len(of) for of in learner.asked_for] == [3, 12, 5]
    assert begun(ACTIVE(ask="bald", rounds=1, pool=1))[0].made["units"] == 5


def test_learners_of_volumes_are_given_volumes_with_marked_slices():
    target = recipe(ActiveLearning, network=SMALL, ask="entropy", rounds=1, start=3, each=2)
    learner, _ = begun(target)
    taught = learner.labelled(COHORT.labelled, flat(learner), 2)
    assert {case.id for case in taught} == {f"c{unit.case}" for unit in flat(learner)}
    assert sum(int((case.label != 255).sum()) for case in taught) == 5 * 20 * 18


def test_patients_are_asked_for_whole():
    learner, _ = begun(ACTIVE(ask="bald", rounds=1, unit="patient", start=1, each=2))
    taught = learner.labelled(COHORT.labelled, flat(learner), None)
    assert [case.id for case in taught] == [f"c{unit.case}" for unit in flat(learner)]
    assert {unit.slice for unit in flat(learner)} == {WHOLE}


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(ValueError, match="expected one with dropout for 'bald', got Scale"):
        ActiveLearning(task(2), network=SCALE)
    with pytest.raises(ValueError, match=r"fold: expected none, as units are asked for, got \(0, 2\)"):
        ActiveLearning(task(2), network=SMALL, fold=(0, 2))
    ActiveLearning(task(2), network=SCALE, ask="random")
