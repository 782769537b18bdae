"""A run folder from a stranger is data, not code."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from learning_toys import tiny_budget, tiny_cohort
from safetensors.torch import load_file, save_file

from medseg_lab.evaluation.judge import Judge
from medseg_lab.evaluation.sample_judge import SampleJudge
from medseg_lab.networks.unet import UNet
from medseg_lab.survey.configurations import configurations
from medseg_lab.training.fit import fit
from medseg_lab.training.known import known_recipe
from medseg_lab.training.notation import parse
from medseg_lab.training.recipe import recipe
from medseg_lab.training.runs import Run, RunStore
from medseg_lab.training.supervised import Supervised

SMALL = recipe(Supervised, network=recipe(UNet, features=(4, 8)))


@pytest.fixture
def stored(tmp_path) -> Run:
    run = fit(SMALL, tiny_cohort(), tiny_budget(), 0, store=RunStore(tmp_path), progress=False)
    return Run(run.folder)


def forged(run: Run, **change: Any) -> Run:
    path = run.folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    return Run(run.folder)


def call(path: str, **arguments: Any) -> dict[str, Any]:
    return {"target": path, "arguments": arguments}


def test_every_configuration_and_judge_is_known():
    for one in configurations():
        assert known_recipe(parse(one.recipe).to_dict()) == parse(one.recipe)
    for judge in (recipe(Judge, parts=["test"]), recipe(SampleJudge, samples=4)):
        assert known_recipe(judge.to_dict()) == judge


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize(
    "target",
    [
        "medseg_lab.evaluation.export.write_whole",
        "medseg_lab.training.durable.whole_folder",
        "medseg_lab.training.loop.train",
        "medseg_lab.training.run.Path",
        "medseg_lab.training.runs.RunStore",
        "medseg_lab.data.obtain.download.download",
        "os.system",
        "monai.bundle.run",
    ],
)
def test_a_recipe_that_names_anything_else_is_refused_and_nothing_is_called(stored, tmp_path, target, inside):
    victim = tmp_path / "victim"
    evil = call(target, target=str(victim), content="x", root=str(victim), network=None)
    whole = call("medseg_lab.training.supervised.Supervised", network=evil) if inside else evil
    with pytest.raises(ValueError, match=f"run {stored.folder.name}: recipe.*expected.*{target}'"):
        forged(stored, recipe=whole).learner()
    assert not victim.exists()


def test_a_module_of_the_library_that_is_not_listed_is_not_even_imported(stored):
    name = "medseg_lab.cli.sweep"
    sys.modules.pop(name, None)
    with pytest.raises(ValueError, match=r"got 'medseg_lab\.cli\.sweep\.sweep'"):
        forged(stored, recipe=call(f"{name}.sweep")).learner()
    assert name not in sys.modules


@pytest.mark.parametrize("data", [{}, {"target": 3, "arguments": {}}, {"target": "x", "arguments": []}])
def test_what_is_no_recipe_is_refused(stored, data):
    with pytest.raises(ValueError, match=r"record: recipe: expected a recipe'?s?.*, got"):
        forged(stored, recipe=data).learner()


def test_a_recipe_of_more_numbers_than_are_stored_takes_no_memory(stored):
    for features in ([4, 10**9], [10**6, 8], [4] * 30):
        large = recipe(Supervised, network=recipe(UNet, features=features)).to_dict()
        with pytest.raises(ValueError, match=r"(numbers that are stored|features)"):
            forged(stored, recipe=large).learner()


def test_an_absurd_patch_is_refused(stored):
    with pytest.raises(ValueError, match=r"a patch of at most .* voxels, got \(1000000, 1000000, 1000000\)"):
        forged(stored, patch=[10**6] * 3).learner()


def test_weights_that_do_not_fit_are_one_sentence_with_the_tensor_and_both_shapes(stored):
    wider = recipe(Supervised, network=recipe(UNet, features=(4, 9))).to_dict()
    with pytest.raises(ValueError, match=r"expected network\.\S+ of shape \(9,.*\), got \(8,") as said:
        forged(stored, recipe=wider).learner()
    assert "\n" not in str(said.value)
    assert stored.folder.name in str(said.value)


def test_weights_of_which_one_is_missing_name_it(stored):
    weights = load_file(stored.folder / "weights.safetensors")
    name = next(iter(weights))
    save_file({k: v for k, v in weights.items() if k != name}, stored.folder / "weights.safetensors")
    with pytest.raises(ValueError, match=f"expected {name} of shape .*, got none"):
        forged(stored, files={}).learner()


def test_damaged_weights_are_named(stored):
    (stored.folder / "weights.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(ValueError, match=r"weights\.safetensors: expected tensors"):
        Run(stored.folder).learner()


def test_a_good_run_is_as_it_was_trained(stored):
    first, again = stored.learner(), Run(Path(stored.folder)).learner()
    image = torch.randn((1, 1, 8, 8, 8), generator=torch.Generator().manual_seed(0))
    assert torch.equal(first.predict(image), again.predict(image))
