"""Fine class prediction: each cell is taught its own classes; of the whole patch, the strongest answer."""

import pytest
import torch
from torch.nn import functional as F
from toys import NAMES

from medseg_lab.data.batch import Batch
from medseg_lab.data.task import Task
from medseg_lab.networks.unet import UNet
from medseg_lab.training.fine_class import FineClass
from medseg_lab.training.recipe import recipe


def made(**arguments) -> FineClass:
    torch.manual_seed(0)
    return FineClass(Task(1, NAMES[:3], 2), network=recipe(UNet, features=(4, 8)), **arguments)


def batch() -> Batch:
    """Class 1 in the first of 2 x 3 cells of 2 x 2 pixels, class 2 in the last one."""
    label = torch.zeros(1, 4, 6, dtype=torch.int64)
    label[0, 0, 1], label[0, 3, 5] = 1, 2
    return Batch(torch.randn(1, 1, 4, 6, generator=torch.Generator().manual_seed(0)), label)


@pytest.mark.parametrize("weight", [0.5, 2.0])
def test_each_cell_is_taught_its_classes(weight):
    learner = made(weight=weight)
    wanted = torch.tensor([[[[1.0, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 1]]]])
    logits = learner.presence(learner.network.encode(batch().image)[-1])
    expected = weight * F.binary_cross_entropy_with_logits(logits, wanted)
    torch.testing.assert_close(learner.losses(batch(), 0)["classes"], expected)


def test_of_the_whole_patch_it_asks_the_strongest_features():
    learner = made(cells=False, weight=0.5)
    deepest = learner.network.encode(batch().image)[-1]
    logits = learner.presence(deepest.amax((2, 3), keepdim=True))
    expected = 0.5 * F.binary_cross_entropy_with_logits(logits, torch.ones(1, 2, 1, 1))  # both are there
    torch.testing.assert_close(learner.losses(batch(), 0)["classes"], expected)
    assert learner.classes(batch().image).shape == (1, 2, 1, 1)


def test_the_two_have_the_same_parameters_and_predict_alike():
    fine, coarse = made(), made(cells=False)
    assert all(map(torch.equal, fine.parameters(), coarse.parameters()))
    assert torch.equal(fine.predict(batch().image), coarse.predict(batch().image))


@pytest.mark.parametrize("cells", [True, False])
def test_it_learns_where_the_classes_are(cells):
    learner = made(cells=cells, weight=1.0)
    generator = torch.Generator().manual_seed(3)
    label = torch.zeros(12, 16, 16, dtype=torch.int64)
    label[:4, 2:6, 2:6], label[4:8, 9:14, 3:6] = 1, 2
    image = 0.1 * torch.randn(12, 1, 16, 16, generator=generator)
    image += torch.tensor([0.0, 1.0, -1.0])[label][:, None]
    optimiser = torch.optim.AdamW(learner.parameters(), lr=3e-2)
    for step in range(100):
        optimiser.zero_grad()
        sum(learner.losses(Batch(image, label), step).values()).backward()
        optimiser.step()
    there = torch.zeros(12, 2, 1, 1, dtype=torch.bool)
    there[:4, 0] = there[4:8, 1] = True
    found = learner.classes(image) > 0.5
    assert torch.equal(found.amax((2, 3), keepdim=True), there)
    assert found.shape[2:] == ((8, 8) if cells else (1, 1))
