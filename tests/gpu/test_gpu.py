"""What training promises, on a CUDA card: the CPU's code, the same bits twice, resumed equals not stopped."""

from pathlib import Path

import pytest
import torch
import toys

from medseg_lab.data.augment import Augmentation
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.vnet import VNet
from medseg_lab.training.device import make_fabric
from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import Recipe, recipe
from medseg_lab.training.run import Run
from medseg_lab.training.runs import RunStore
from medseg_lab.training.supervised import Supervised

CARD = "cuda"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA card on this machine"),
]
COHORT = toys.tiny_cohort(shape=(20, 19, 18), patch=16)
# PyTorch warns that the backward pass of max pooling in 3D adds up in no fixed order on CUDA. Windows that do
# not overlap add one number to each voxel, so the order makes no difference.
LEARNERS = {
    "slices": recipe(Supervised, network=recipe(UNet, features=[8, 16]), spatial_dims=2),
    "volumes": recipe(Supervised, network=recipe(UNet, features=[4, 8])),
    "volumes without pooling": recipe(Supervised, network=recipe(VNet, features=[4, 8], convs=[1, 2])),
}


def trained(target: Recipe, folder: Path, device: str = CARD, precision: str = "auto", steps: int = 6) -> Run:
    return fit(
        target,
        COHORT,
        toys.tiny_budget(steps=steps, voxels=4 * 16**3, patch=16),
        0,
        store=RunStore(folder),
        progress=False,
        fabric=make_fabric(precision, accelerator=device),
    )


@pytest.mark.parametrize("name", LEARNERS)
def test_first_loss_on_the_card_is_that_of_the_cpu(name: str, tmp_path: Path) -> None:
    """Noise is drawn on the device, so without it; convolutions may round to TF32's 10 bits."""
    plain = recipe(Augmentation, intensity=False)
    target = Recipe(LEARNERS[name].target, LEARNERS[name].arguments | {"augmentation": plain})
    runs = [trained(target, tmp_path, device, "32-true", steps=1) for device in ("cpu", CARD)]
    first, other = (float(run.curves["dice_ce"].iloc[0]) for run in runs)
    assert runs[1].record.hardware.device == CARD
    assert other == pytest.approx(first, rel=1e-2)


@pytest.mark.parametrize("name", LEARNERS)
def test_trained_twice_on_the_card_gives_the_same_bits(name: str, tmp_path: Path) -> None:
    runs = [trained(LEARNERS[name], tmp_path / side) for side in "ab"]
    assert not any(run.replayed for run in runs)
    weights = [(run.folder / "weights.safetensors").read_bytes() for run in runs]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("name", LEARNERS)
def test_resumed_on_the_card_equals_not_stopped(name: str, tmp_path: Path) -> None:
    budget = {"voxels": 4 * 16**3, "patch": 16, "steps": 6}
    whole, _ = toys.trained(LEARNERS[name], COHORT, tmp_path / "whole", precision="auto", **budget)
    assert next(whole.parameters()).device.type == CARD
    cut = {"checkpoint_seconds": 0.0, "precision": "auto", **budget}
    with pytest.raises(KeyboardInterrupt):
        toys.trained(LEARNERS[name], COHORT, tmp_path / "cut", stop=3, **cut)
    resumed, curves = toys.trained(LEARNERS[name], COHORT, tmp_path / "cut", **cut)
    assert curves.steps == 6
    assert not toys.differing(whole, resumed)


def test_weights_of_the_card_load_back_there_and_on_the_cpu(tmp_path: Path) -> None:
    run = trained(LEARNERS["slices"], tmp_path, precision="32-true")
    there, here = run.learner(CARD), run.learner("cpu")
    assert not toys.differing(there.cpu(), here)
    image = COHORT.validation[0].image.movedim(-1, 0)[:, :, :16, :16]
    with torch.no_grad():
        found = there.to(CARD).predict(image.to(CARD)).cpu()
        assert torch.allclose(found, here.predict(image), atol=1e-2)
