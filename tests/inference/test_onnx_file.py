"""A trained run as one ONNX file, which onnxruntime computes as PyTorch does."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import tiny_budget, tiny_cohort

from medseg_lab.inference import onnx_file
from medseg_lab.inference.onnx_file import Exported, export_run
from medseg_lab.inference.small_components import SmallComponents
from medseg_lab.networks.fcn import FCN
from medseg_lab.networks.unet import UNet
from medseg_lab.semi.mean_teacher import MeanTeacher
from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import Recipe, recipe
from medseg_lab.training.runs import Run, RunStore
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty.mc_dropout import MCDropout

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

NETWORK = recipe(UNet, features=(4, 8), dropout=0.2)
SMALL = recipe(Supervised, network=NETWORK)


def trained(store: Path, target: Recipe = SMALL, dims: int = 2, patch: int = 8) -> Run:
    cohort = tiny_cohort(dims, 2, shape=(patch + 2,) * 3, patch=patch)
    budget = tiny_budget(steps=2, patch=patch, voxels=2 * patch**dims)
    return fit(target, cohort, budget, 0, store=RunStore(store), progress=False)


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> tuple[Run, Exported]:
    folder = tmp_path_factory.mktemp("exported")
    run = trained(folder / "runs")
    return run, export_run(run, folder / "made" / "model.onnx")


def test_a_u_net_is_one_file_that_takes_any_number_of_images_of_any_shape(exported):
    run, found = exported
    assert sorted(path.name for path in found.path.parent.iterdir()) == ["model.json", "model.onnx"]
    assert found.difference < 1e-4
    session = onnxruntime.InferenceSession(found.path, providers=["CPUExecutionProvider"])
    images = torch.randn((3, 1, 12, 26), generator=torch.Generator().manual_seed(0))
    learner = run.learner()
    with torch.inference_mode():
        expected = learner.predict(images)
    seen = torch.from_numpy(session.run(["probabilities"], {"image": images.numpy()})[0])
    torch.testing.assert_close(seen, expected, atol=1e-4, rtol=0)
    assert str(Path(onnx_file.__file__).parents[2]).encode() not in found.path.read_bytes()  # no paths


def test_what_a_program_must_know_is_in_the_model_and_beside_it(exported):
    run, found = exported
    beside = json.loads(found.path.with_suffix(".json").read_text(encoding="utf-8"))
    inside = {prop.key: prop.value for prop in onnx.load(found.path).metadata_props}
    assert inside.keys() == beside.keys()
    assert inside["run"] == beside["run"] == run.record.key
    assert json.loads(inside["classes"]) == beside["classes"] == ["background", "a"]
    said = {name: beside[name] for name in ("window", "multiple", "any_shape", "spacing_mm", "normalise")}
    expected = {"window": [8, 8], "multiple": [2, 2], "any_shape": True, "spacing_mm": [1, 1]}
    assert said == {**expected, "normalise": "zscore"}


@pytest.mark.parametrize(
    ("target", "dims", "patch"),
    [
        (SMALL, 3, 8),
        (recipe(MeanTeacher, network=NETWORK), 2, 8),
        # a smaller patch would leave too few voxels on the coarsest level to normalise
        (recipe(Supervised, network=recipe(FCN, features=(4, 4, 4, 4, 4))), 2, 32),
    ],
    ids=["3D U-Net", "Mean Teacher", "FCN-8s"],
)
def test_other_networks_and_methods_compute_the_same(tmp_path, target, dims, patch):
    found = export_run(trained(tmp_path / "runs", target, dims, patch), tmp_path / "model.onnx")
    assert found.difference < 1e-4
    assert found.facts["any_shape"]
    session = onnxruntime.InferenceSession(found.path, providers=["CPUExecutionProvider"])
    zeros = np.zeros((3, 1, *[patch] * dims), np.float32)
    seen = session.run(None, {"image": zeros})[0]
    assert seen.shape == (3, 2, *[patch] * dims)
    assert np.allclose(seen.sum(1), 1, atol=1e-5)


def test_a_network_that_cannot_take_other_shapes_takes_windows_and_says_so(tmp_path, monkeypatch):
    takes = onnx_file._takes
    monkeypatch.setattr(onnx_file, "_takes", lambda path, shape: shape[-1] == 8 and takes(path, shape))
    found = export_run(trained(tmp_path / "runs"), tmp_path / "model.onnx")
    assert found.shape == "image: float32 (batch, 1, 8, 8)"
    assert not found.facts["any_shape"]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (recipe(MCDropout, learner=SMALL), "samples"),
        (recipe(SmallComponents, learner=SMALL), "a step on the whole case"),
    ],
)
def test_a_method_that_is_more_than_its_prediction_of_patches_is_refused(tmp_path, target, said):
    with pytest.raises(ValueError, match=f"no more than a prediction of patches, got one with {said}"):
        export_run(trained(tmp_path / "runs", target), tmp_path / "model.onnx")


def test_a_model_that_computes_something_else_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_file, "LIMIT", 0.0)
    (tmp_path / "made").mkdir()
    with pytest.raises(RuntimeError, match=r"got a model that differs by .*; nothing is written"):
        export_run(trained(tmp_path / "runs"), tmp_path / "made" / "model.onnx")
    assert not list((tmp_path / "made").iterdir())


def test_another_ending_and_a_file_that_is_there_are_refused_before_the_work(tmp_path):
    run = trained(tmp_path / "runs")
    with pytest.raises(ValueError, match=r"expected a name that ends in \.onnx, got .*model\.pt"):
        export_run(run, tmp_path / "model.pt")
    (tmp_path / "model.json").write_text("mine")
    with pytest.raises(ValueError, match=r"model\.json already exists"):
        export_run(run, tmp_path / "model.onnx")
    assert (tmp_path / "model.json").read_text() == "mine"
