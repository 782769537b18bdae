"""What may not change the key of a U-Net, and what must."""

import shutil
from pathlib import Path

import pytest
import torch
from learning_toys import tiny_cohort

import medseg_lab
from medseg_lab.evaluation.judge import Judge
from medseg_lab.training.budget import Budget
from medseg_lab.training.device import hardware, make_fabric
from medseg_lab.training.key import key_parts, training_key
from medseg_lab.training.names import recipe_called
from medseg_lab.training.provenance import module_file
from medseg_lab.training.recipe import recipe

MAY_NOT = (
    *(
        "semi/ua_mt.py",
        "networks/vnet.py",
        "networks/from_monai.py",
        "losses/from_monai.py",
        "uncertainty/noise.py",
        "losses/entropy.py",
    ),
    *(
        "networks/unetpp.py",
        "survey/claims.py",
        "survey/methods.py",
        "training/runs.py",
        "training/fit.py",
        "training/tables.py",
    ),
    *("chapter.py", "data/cohort.py", "data/card.py", "data/splits.py"),
)
"""Another method, the tables, the store, chapters, and what the cohort's fingerprint stands for."""
MAY_NOT_ROOMS = ("show", "publishing", "sweeps", "cli", "data/readers", "data/obtain", "data/virtual")
MUST = (
    *("networks/unet.py", "networks/blocks.py", "networks/convolution.py", "networks/encoder_decoder.py"),
    *("losses/dice.py", "losses/cross_entropy.py", "training/supervised.py", "training/learner.py"),
    *("training/loop.py", "training/schedule.py", "training/seeding.py", "data/batches.py", "data/pool.py"),
    *("data/augment.py", "evaluation/judge.py", "evaluation/metrics.py", "inference/predict.py"),
    "inference/windows.py",
)


def parts(name="U-Net", fingerprint="these cases", seed=0, judge=None, **budget):
    spend = Budget(**{"steps": 4, "voxels": 512, "patch": 8, **budget})
    judge = judge or recipe(Judge, parts=["validation"])
    cohort = tiny_cohort(fingerprint)
    return key_parts(recipe_called(name), cohort, spend, seed, judge, hardware(make_fabric()))


def files():
    found = parts()
    return {name.removeprefix("medseg_lab/") for name in (*found["sources"], *found["judge_sources"])}


def test_the_key_covers_what_computes_the_numbers_and_little_else():
    found = files()
    assert set(MUST) <= found
    assert not found & set(MAY_NOT)
    assert not [name for name in found if name.startswith(MAY_NOT_ROOMS)]
    readers = ("ledger", "standing", "verdict", "claim", "comparison", "ranking", "wording", "export")
    assert not [name for name in found if name.startswith("evaluation/") and any(r in name for r in readers)]
    assert len(found) < 60


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A copy of the library whose files may be edited."""
    shutil.copytree(
        Path(medseg_lab.__file__).parent,
        tmp_path / "medseg_lab",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    real = module_file.__wrapped__

    def copied(name: str):
        path = real(name)
        root = Path(medseg_lab.__file__).parents[1]
        return tmp_path / path.relative_to(root) if path and root in path.parents else path

    monkeypatch.setattr("medseg_lab.training.provenance.module_file", copied)
    return tmp_path / "medseg_lab"


def test_an_edit_elsewhere_leaves_the_key(house):
    before = parts()
    for name in (*MAY_NOT, "semi/ua_mt.toml", "networks/unet.toml", "show/curves.py"):
        with (house / name).open("a", encoding="utf-8") as file:
            file.write("\nADDED = 1\n")
    assert parts() == before


def test_an_edit_of_what_computes_changes_it_and_wording_does_not(house):
    before = parts()
    for name in MUST:
        path = house / name
        text = path.read_text(encoding="utf-8")
        path.write_text(text + "\n# a comment\n", encoding="utf-8")
        assert parts() == before, name
        path.write_text(text + "\nADDED = 1\n", encoding="utf-8")
        assert parts() != before, name
        path.write_text(text, encoding="utf-8")


def test_an_edit_of_how_it_is_judged_leaves_the_training(house):
    """Which is then judged anew; an edit of what is trained is another training."""
    before = parts()
    for name in ("evaluation/judge.py", "evaluation/metrics.py", "inference/windows.py", "losses/dice.py"):
        path = house / name
        text = path.read_text(encoding="utf-8")
        path.write_text(text + "\nADDED = 1\n", encoding="utf-8")
        assert (training_key(parts()) == training_key(before)) is (name != "losses/dice.py"), name
        path.write_text(text, encoding="utf-8")
    assert training_key(parts(judge=recipe(Judge, parts=["test"]))) == training_key(before)
    assert training_key(parts(seed=1)) != training_key(before)


def test_recipe_cohort_budget_seed_judge_and_versions_are_in_it(monkeypatch):
    found = parts()
    others = [
        parts("U-Net(learning_rate=0.001)"),
        parts("U-Net, no augmentation"),
        parts("U-Net, Dice loss"),
        parts(fingerprint="other cases"),
        parts(seed=1),
        parts(steps=5),
        parts(voxels=1024),
        parts(patch=7),
        parts(judge=recipe(Judge, parts=["test"])),
    ]
    assert all(other != found for other in others)
    assert parts(name="U-Net", seeds=7, checkpoint_seconds=1.0) == found
    assert parts("Supervised(network=UNet(norm='instance'), spatial_dims=2)") == found
    assert found["versions"]["torch"] == torch.__version__
    assert set(found["hardware"]) == {"device", "precision", "threads", "processes"}


@pytest.mark.parametrize(
    ("network", "loss", "room"),
    [
        ("monai.networks.nets.SegResNet()", "Dice()", "networks"),
        ("UNet()", "Compound(losses=[Dice(), monai.losses.BoundaryLoss()])", "losses"),
    ],
)
def test_the_version_of_monai_counts_for_what_is_its_own_alone(network, loss, room, monkeypatch):
    text = f"Supervised(network={network}, loss={loss}, spatial_dims=2)"
    plain, found = parts(), parts(text)
    assert f"medseg_lab/{room}/from_monai.py" in found["sources"]
    assert not [name for name in found["sources"] if not name.startswith("medseg_lab/")]
    assert found["versions"].keys() - plain["versions"].keys() == {"monai"}
    monkeypatch.setattr("medseg_lab.training.key.version", lambda name: f"another {name}")
    assert parts(text)["versions"]["monai"] == "another monai" != found["versions"]["monai"]
