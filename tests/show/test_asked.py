"""Pictures of what was asked for."""

from functools import cache

import numpy as np
import pytest
import torch
from toys import SMALL, tiny_budget, tiny_cohort

from medseg_lab.outlook.active_learning import ActiveLearning
from medseg_lab.outlook.units import WHOLE, Unit
from medseg_lab.show.asked import asked_by, asked_for, asked_maps, cut_of, where_asked
from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import recipe
from medseg_lab.training.runs import RunStore
from tests.show.legible import assert_legible

COHORT = tiny_cohort(3, 3, labelled=3, unlabelled=1, shape=(20, 18, 16), patch=32)
NAMES = {"bald": "Asked by BALD", "foreground": "Asked at random among foreground"}


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    store = RunStore(tmp_path_factory.mktemp("runs"))

    @cache
    def trained(ask: str, unit: str = "slice"):
        some = (
            {"start": 3, "each": 4, "rounds": 2, "passes": 2} if unit == "slice" else {"start": 1, "each": 1}
        )
        how = recipe(ActiveLearning, network=SMALL, spatial_dims=2, ask=ask, unit=unit, share=1.0, **some)
        run = fit(
            how, COHORT, tiny_budget(steps=2, voxels=2 * 32**2, patch=32), 0, store=store, progress=False
        )
        return asked_by(run, COHORT)

    return trained


@pytest.fixture
def both(asked):
    return {name: asked(ask) for ask, name in NAMES.items()}


def test_it_is_what_the_run_asked_for(asked):
    one = asked("bald")
    assert [len(of) for of in one.rounds] == [3, 4, 4]
    assert (one.axis, [case.id for case in one.pool]) == (2, ["c0", "c1", "c2"])
    for unit in one.rounds[1]:
        there = bool((COHORT.labelled[unit.case].label[..., unit.slice] > 0).any())
        assert one.shows_foreground(unit) == there


def test_a_slice_is_shown_with_its_label_and_maps_lie_on_it(asked):
    one, unit = asked("bald"), Unit(1, 7)
    case = COHORT.labelled[1]
    shown = cut_of(one, unit, {"itself": case.image[0].numpy()})
    assert np.array_equal(shown.labels["label"], case.label[..., 7].numpy().T[::-1])
    assert np.array_equal(shown.labels["itself"], shown.image)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("number", [0, 1, 2])
def test_what_was_asked_for_in_a_round_is_legible(both, number):
    fig = asked_for(both, number, COHORT.task)
    assert_legible(fig)
    shown = [ax for ax in fig.axes if ax.images]
    assert len(shown) == 2 * (3 if number == 0 else 4)
    some = sum(map(both["Asked by BALD"].shows_foreground, both["Asked by BALD"].rounds[number]))
    assert f"Asked by BALD: {some} of {len(shown) // 2} with foreground" in fig.get_label()


@pytest.mark.filterwarnings("error")
def test_maps_are_those_of_the_network_that_asked(both, monkeypatch):
    fig = asked_maps(both, 2, COHORT.task)
    assert_legible(fig)
    maps = [ax.images[-1].get_array() for ax in fig.axes if len(ax.images) > 1]
    assert len(maps) == 6
    one = both["Asked by BALD"]
    unit, before = one.rounds[2][0], one.run.rounds()[2].learner()
    assert before.rounds == 1
    from medseg_lab.inference.sample import sample_case
    from medseg_lab.uncertainty.mc_dropout import MCDropout

    torch.manual_seed(0)
    image = one.case(unit).image[..., unit.slice : unit.slice + 1]
    samples = sample_case(MCDropout(learner=before), image, 2, slice_axis=2)
    variance = samples.var(dim=0, correction=0).sum(dim=0)[..., 0].numpy().T[::-1]
    np.testing.assert_allclose(maps[2], variance, rtol=1e-5)


@pytest.mark.filterwarnings("error")
def test_a_mark_is_filled_where_there_is_foreground(both):
    fig = where_asked(both)
    assert_legible(fig)
    marks = [line for line in fig.axes[0].lines if line.get_marker() != "None"]
    filled = [line.get_markerfacecolor() != "white" for line in marks]
    units = [(one, unit) for one in both.values() for of in one.rounds for unit in of]
    assert filled == [one.shows_foreground(unit) for one, unit in units]
    places = [float(line.get_xdata()[0]) for line in marks]
    assert places == pytest.approx([(unit.slice + 0.5) / 16 for _, unit in units])


def test_whole_patients_are_shown_in_one_slice_and_lie_nowhere(asked):
    whole = {"patients": asked("bald", "patient")}
    assert [unit.slice for of in whole["patients"].rounds for unit in of] == [WHOLE] * 3
    assert_legible(asked_for(whole, 1, COHORT.task))
    asked_maps(whole, 1, COHORT.task)
    with pytest.raises(ValueError, match="expected slices of volumes, got whole patients"):
        where_asked(whole)


def test_a_round_that_was_not_is_refused(both):
    for draw in (asked_for, asked_maps):
        with pytest.raises(
            ValueError, match="number: expected a round in which something was asked for, got 7"
        ):
            draw(both, 7, COHORT.task)
