"""From a grid to its jobs, and what is found before anything runs."""

import pickle

import pytest

from medseg_lab.evaluation.attack import AttackJudge
from medseg_lab.evaluation.thin_vessels import ThinVesselJudge
from medseg_lab.survey.terms import Terms
from medseg_lab.sweeps.plan import ChapterRun, Training, read_plan
from medseg_lab.sweeps.precheck import fit_arguments
from medseg_lab.training.recipe import recipe
from tests.chapters.small import small_house
from tests.sweeps.sweep_toys import BUDGET, TINY, grid_file, toy_folder


def test_a_data_set_after_the_other_seed_by_seed_all_methods(tmp_path):
    toy_folder(tmp_path / "other")
    plan = read_plan(grid_file(tmp_path, datasets=["toy", "other"], methods=["U-Net"]))
    assert [job.title for job in plan.jobs] == [
        f"{method}, {data}, seed {seed}"
        for data in ("toy", "other")
        for seed in (0, 1)
        for method in ("U-Net", "tiny")
    ]


def test_a_training_says_all_that_a_worker_needs(tmp_path):
    (job, _) = read_plan(grid_file(tmp_path, labelled=[2], threads=3, parts=["validation", "test"])).trainings
    assert job == Training(
        title="of no account",
        threads=3,
        gpus=0,
        dataset=str(tmp_path / "toy"),
        labelled=2,
        recipe=TINY,
        budget={"name": "custom", "seeds": 2, "checkpoint_seconds": 20.0, **BUDGET},
        seed=0,
        parts=("validation", "test"),
    )
    assert pickle.loads(pickle.dumps(job)).id == job.id


def test_a_grid_may_ask_for_an_attack(tmp_path):
    (job, _) = read_plan(grid_file(tmp_path, attack=0.1)).trainings
    judge = fit_arguments(job, mapped=None)["judge"]
    assert judge == recipe(AttackJudge, parts=["validation"], epsilon=0.1)


def test_a_grid_may_ask_for_thin_vessels(tmp_path):
    (job, _) = read_plan(grid_file(tmp_path, thin=5)).trainings
    judge = fit_arguments(job, mapped=None)["judge"]
    assert judge == recipe(ThinVesselJudge, parts=["validation"], width=5)


def test_ids_tell_jobs_apart_and_not_their_titles(tmp_path):
    plan = read_plan(grid_file(tmp_path, labelled=[2, "all"], threads=2))
    assert len({job.id for job in plan.jobs}) == len(plan.jobs) == 4
    renamed = read_plan(grid_file(tmp_path, labelled=[2, "all"], threads=2, recipes={"other": TINY}))
    assert [job.id for job in renamed.jobs] == [job.id for job in plan.jobs]
    threaded = read_plan(grid_file(tmp_path, labelled=[2, "all"], threads=1))
    assert not {job.id for job in threaded.jobs} & {job.id for job in plan.jobs}


def test_labelled_is_in_the_title_where_there_are_several(tmp_path):
    plan = read_plan(grid_file(tmp_path, labelled=[2, "all"], seeds=1))
    assert [job.title for job in plan.jobs] == [
        "tiny, toy, 2 labelled, seed 0",
        "tiny, toy, all labelled, seed 0",
    ]
    assert [job.labelled for job in plan.trainings] == [2, None]


def test_a_section_s_terms_set_what_each_data_set_gets(tmp_path, monkeypatch):
    rows = {
        "virtual-brain": Terms(section="3.2", steps=7, voxels=900, patch=32, labelled=3, why="one"),
        "virtual-brain+lesion": Terms(section="3.2", steps=9, voxels=800, labelled=2, why="two"),
    }
    monkeypatch.setattr("medseg_lab.sweeps.plan.terms_of", lambda section, dataset: rows[dataset])
    asked = {"datasets": list(rows), "labelled": ["own", "all"], "draws": [0, 1], "seeds": 1}
    path = grid_file(tmp_path, section="3.2", budget="class", samples=4, **asked)
    jobs = read_plan(path).trainings
    assert [(job.dataset, job.budget["steps"], job.labelled, job.draw) for job in jobs] == [
        ("virtual-brain", 7, 3, 0),
        ("virtual-brain", 7, 3, 1),
        ("virtual-brain", 7, None, 0),
        ("virtual-brain+lesion", 9, 2, 0),
        ("virtual-brain+lesion", 9, 2, 1),
        ("virtual-brain+lesion", 9, None, 0),
    ]
    assert {(job.budget["name"], job.samples) for job in jobs} == {("class", 4)}
    assert jobs[0].budget["patch"] == 32
    assert jobs[1].cohort == ("virtual-brain", 300, 3, 1)
    assert jobs[1].title == "tiny, virtual-brain, 3 labelled, draw 1, seed 0"


def test_the_same_training_asked_for_twice_is_one(tmp_path, monkeypatch):
    own = Terms(section="3.2", steps=7, voxels=900, labelled=2, why="one")
    monkeypatch.setattr("medseg_lab.sweeps.plan.terms_of", lambda section, dataset: own)
    asked = {"labelled": ["own", 2, "all"], "draws": [0, 1], "seeds": 1}
    jobs = read_plan(grid_file(tmp_path, section="3.2", budget="class", **asked)).trainings
    assert [(job.labelled, job.draw) for job in jobs] == [(2, 0), (2, 1), (None, 0)]


def test_a_volume_method_is_left_out_on_slices_with_the_reason(tmp_path):
    toy_folder(tmp_path / "flat", dims=2)
    said = {
        "three": "Supervised(network=UNet(), spatial_dims=3)",
        "own": "Supervised(network=UNet(features=[4]))",
    }
    plan = read_plan(
        grid_file(tmp_path, datasets=["flat"], methods=["U-Net", "V-Net"], recipes=said, seeds=1)
    )
    assert [job.title for job in plan.jobs] == ["U-Net, flat, seed 0", "own, flat, seed 0"]
    reason = "works in 3 dimensions, the data has 2"
    assert plan.left_out == (("V-Net, flat", reason), ("three, flat", reason))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"datasets": ["no-such-set"]}, "'no-such-set'"),
        ({"datasets": ["virtual-brain+moon"]}, "'moon'"),
        ({"datasets": ["auto"]}, "datasets: expected data sets by name, got 'auto'"),
        ({"datasets": []}, "datasets: expected some for the methods, got none"),
        ({"recipes": {}}, "methods or recipes: expected some for the datasets, got none"),
        ({"datasets": [], "recipes": {}}, "nothing to run: expected methods or recipes"),
        ({"datasets": ["toy", "toy"]}, "datasets: expected each once, got ['toy', 'toy']"),
        ({"methods": ["W-Net"]}, "methods: expected known names, such as 'V-Net', 'U-Net', "),
        ({"methods": ["U-Net", "U-Net"]}, "methods: expected each once, got"),
        ({"recipes": {"U-Net": TINY}}, "recipes: expected a name that no configuration has, got 'U-Net'"),
        ({"recipes": {"a": TINY, "b": TINY}}, "recipes: expected different ones, got 'b', the same as 'a'"),
        (
            {"recipes": {"a": "Supervised(network=UNet(feature=[4]))"}},
            "'feature'",
        ),
        ({"chapters": [{"section": "9.9"}]}, "'9.9'"),
        ({"chapters": [{"section": "2.1.1", "sead": 3}]}, "parameter 'sead'"),
        ({"chapters": [{"section": "2.1.1", "seeds": ["many"]}]}, "'many'"),
        ({"chapters": [{"section": "2.1.1", "budget": ["huge"]}]}, "'huge'"),
        ({"chapters": [{"section": "2.1.1", "dataset": ["x"]}]}, "'x'"),
    ],
)
def test_what_is_unknown_is_named_with_the_file_and_what_is_known(tmp_path, monkeypatch, change, said):
    monkeypatch.setenv("MEDSEG_HOME", str(small_house(tmp_path / "house").root))
    monkeypatch.setenv("MEDSEG_DATA", str(tmp_path))
    path = grid_file(tmp_path, **change)
    with pytest.raises(ValueError, match=r"grid\.toml: ") as caught:
        read_plan(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)


def test_a_data_set_that_is_not_at_hand_is_a_failure_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSEG_DATA", str(tmp_path))
    (tmp_path / "empty").mkdir()
    plan = read_plan(grid_file(tmp_path, datasets=["msd-hippocampus", "./gone", "empty", "toy"], seeds=2))
    assert [job.title for job in plan.jobs] == ["tiny, toy, seed 0", "tiny, toy, seed 1"]
    assert [(one.title, one.jobs) for one in plan.failures] == [
        ("msd-hippocampus", 2),
        ("gone", 2),
        ("empty", 2),
    ]
    hippocampus, gone, empty = (one.error for one in plan.failures)
    assert hippocampus.startswith("data set msd-hippocampus: expected dataset.json in one of these folders")
    assert gone == f"{tmp_path / 'gone'}: no such folder"
    assert empty.startswith(f"{tmp_path / 'empty'}: expected a dataset.json")


def test_what_changes_a_trained_learner_has_that_learners_dimension(tmp_path):
    toy_folder(tmp_path / "flat", dims=2)
    three = "pruned(learner=Supervised(network=UNetPlusPlus(), spatial_dims=3), depth=1)"
    options = {"datasets": ["flat"], "methods": ["U-Net++ pruned"], "recipes": {"three": three}, "seeds": 1}
    plan = read_plan(grid_file(tmp_path, **options))
    assert [job.title for job in plan.jobs] == ["U-Net++ pruned, flat, seed 0"]
    assert plan.left_out == (("three, flat", "works in 3 dimensions, the data has 2"),)


def test_a_classical_method_has_no_dimension(tmp_path):
    toy_folder(tmp_path / "flat", dims=2)
    toy_folder(tmp_path / "deep", dims=3)
    options = {"datasets": ["flat", "deep"], "methods": ["Otsu's threshold"], "recipes": {}, "seeds": 1}
    plan = read_plan(grid_file(tmp_path, **options))
    assert len(plan.jobs) == 2
    assert plan.left_out == ()


def test_a_chapter_is_one_job_for_each_combination_of_its_values(tmp_path, monkeypatch):
    house = small_house(tmp_path / "house")
    monkeypatch.setenv("MEDSEG_HOME", str(house.root))
    asked = {"section": "2.1.1", "budget": ["smoke", "class"], "seeds": [1, 2], "dataset": "virtual-brain"}
    plan = read_plan(grid_file(tmp_path, datasets=[], recipes={}, chapters=[asked], threads=2))
    assert [job.parameters for job in plan.chapters] == [
        {"budget": budget, "seeds": seeds, "dataset": "virtual-brain"}
        for budget in ("smoke", "class")
        for seeds in (1, 2)
    ]
    assert plan.jobs[0] == ChapterRun("", 2, 0, str(house.chapters()[0].path), plan.chapters[0].parameters)
    assert plan.jobs[0].title == "chapter 2.1.1, budget=smoke, seeds=1, dataset=virtual-brain"
