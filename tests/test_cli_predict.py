"""`medseg predict` and `medseg export`, as they are typed."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from toys import tiny_budget, tiny_cohort
from typer.testing import CliRunner, Result

from medseg_lab.cli.app import app
from medseg_lab.inference import onnx_file
from medseg_lab.inference.onnx_file import Exported
from medseg_lab.networks.unet import UNet
from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import recipe
from medseg_lab.training.runs import Run, RunStore
from medseg_lab.training.supervised import Supervised


@pytest.fixture
def run(tmp_path, monkeypatch) -> Run:
    monkeypatch.setenv("MEDSEG_RUNS", str(tmp_path / "runs"))
    target = recipe(Supervised, network=recipe(UNet, features=(4, 8)), spatial_dims=2)
    store = RunStore(tmp_path / "runs")
    return fit(target, tiny_cohort(3, 2), tiny_budget(steps=2), 0, store=store, progress=False)


@pytest.fixture
def images(tmp_path) -> Path:
    folder, rng = tmp_path / "images", np.random.default_rng(0)
    folder.mkdir()
    for name in ("a", "b", "c"):
        volume = rng.normal(size=(12, 11, 5)).astype(np.float32)
        nib.save(nib.Nifti1Image(volume, np.eye(4)), folder / f"{name}_0000.nii.gz")
    return folder


def medseg(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_folder_of_images_is_segmented_and_a_second_time_left_as_it_is(run, images, tmp_path):
    out = tmp_path / "out"
    found = medseg("predict", run.record.key[:8], images, "-o", out, "--overlay")
    assert found.exit_code == 0, found.output
    assert "trained on tiny: 3 images on cpu" in found.output
    masks = ["a.nii.gz", "a_overlay.png", "b.nii.gz", "b_overlay.png", "c.nii.gz", "c_overlay.png"]
    assert sorted(path.name for path in out.iterdir()) == masks
    before = (out / "a.nii.gz").stat().st_mtime_ns
    again = medseg("predict", run.folder, images, "-o", out)
    assert again.exit_code == 0
    assert "3 of 3 masks were there already; --overwrite replaces them" in again.output
    assert (out / "a.nii.gz").stat().st_mtime_ns == before
    assert medseg("predict", run.folder, images, "-o", out, "--overwrite").exit_code == 0
    assert (out / "a.nii.gz").stat().st_mtime_ns > before


def test_an_image_that_fails_is_named_and_the_others_are_segmented(run, images, tmp_path):
    (images / "b_0000.nii.gz").write_bytes(b"\x1f\x8b damaged")
    found = medseg("predict", run.record.key[:8], images, "-o", tmp_path / "out")
    assert found.exit_code == 1
    assert f"error: b: {images / 'b_0000.nii.gz'}: expected" in found.output
    assert "1 of 3 images have no mask: b" in found.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.nii.gz", "c.nii.gz"]


def test_an_export_says_what_it_made_and_refuses_another_ending(run, tmp_path, monkeypatch):
    refused = medseg("export", run.record.key[:8], "-o", tmp_path / "model.pt")
    assert refused.exit_code == 2
    assert "expected a name that ends in .onnx" in refused.output
    made = Exported(tmp_path / "model.onnx", {}, "image: float32 (batch, 1, height, width)", 2e-6, 0.2)
    monkeypatch.setattr(onnx_file, "export_run", lambda *_, **__: made)
    found = medseg("export", run.record.key[:8], "-o", tmp_path / "model.onnx")
    assert found.exit_code == 0
    assert "0.2 MB, input image: float32 (batch, 1, height, width)" in found.output
    assert "differ by at most 2.0e-06" in found.output


def test_a_run_or_an_image_that_is_not_there_is_wrong_use(run, images, tmp_path):
    for words in (("nothing", images), (run.folder, tmp_path / "nowhere")):
        found = medseg("predict", *words, "-o", tmp_path / "out")
        assert found.exit_code == 2
        assert "expected" in found.output


def test_an_older_run_takes_its_card_from_the_folder_of_its_data(run, images, tmp_path):
    path = run.folder / "run.json"
    record = json.loads(path.read_text())
    del record["cohort"]["preprocessing"]
    path.write_text(json.dumps(record))
    words = ("predict", run.folder, images / "a_0000.nii.gz", "-o", tmp_path / "out")
    refused = medseg(*words)
    assert refused.exit_code == 2
    assert "--data FOLDER" in refused.output
    card = tiny_cohort(3, 2).card.model_dump(mode="json", exclude_none=True)
    tables = {name: card.pop(name) for name in ("preprocessing", "parts", "variants", "regions")}
    lines = [f"{name} = {json.dumps(value)}" for name, value in card.items()]
    lines += ["[preprocessing]", *(f"{k} = {json.dumps(v)}" for k, v in tables["preprocessing"].items())]
    (tmp_path / "card.toml").write_text("\n".join(lines))
    assert medseg(*words, "--data", tmp_path).exit_code == 0
    (tmp_path / "out" / "a.nii.gz").unlink()
    assert medseg(*words, "--card", tmp_path / "card.toml").exit_code == 0


def test_a_picture_that_is_called_like_an_overlay_is_left_as_it_is(run, images, tmp_path):
    kept = tmp_path / "out" / "a_overlay.png"
    kept.parent.mkdir()
    kept.write_text("mine")
    found = medseg("predict", run.folder, images / "a_0000.nii.gz", "-o", kept.parent, "--overlay")
    assert found.exit_code == 0
    assert "a_overlay.png exists already, and is left as it is" in found.output
    assert kept.read_text() == "mine"
