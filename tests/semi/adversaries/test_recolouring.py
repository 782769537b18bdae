"""Colours of Lab; which layers learn; what they begin with; images without colour."""

from dataclasses import replace

import pytest
import torch
from toys import SMALL, differing, task, tinted, tiny_budget, tiny_cohort

from medseg_lab.data.batch import Batch
from medseg_lab.data.view import View
from medseg_lab.semi.adversaries.discriminator import taken_for, told_apart
from medseg_lab.semi.adversaries.recolouring import ColourRestorer, Recolouring, lab
from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import recipe
from medseg_lab.training.runs import RunStore

COLOURS = replace(task(2), channels=3)
TARGET = recipe(Recolouring, network=SMALL)


def colour_cohort():
    return tinted(tiny_cohort(2, 2, shape=(20, 18), patch=16))


def names_of(learner, learning: bool) -> set[str]:
    return {
        name.split(".")[0] for name, p in learner.network.named_parameters() if p.requires_grad is learning
    }


def test_lab_of_known_colours():
    """By the definition of CIELAB (D65): white, middle grey, and the red of sRGB."""
    image = torch.tensor([[2.5, 2.5, 2.5], [0.0, 0.0, 0.0], [2.5, -2.5, -2.5]]).T.reshape(1, 3, 1, 3)
    grey, colours = lab(image)
    torch.testing.assert_close(grey[0, 0, 0] * 20 + 50, torch.tensor([100, 53.39, 53.24]), atol=0.02, rtol=0)
    expected = torch.tensor([[0, 0, 80.09], [0, 0, 67.20]])
    torch.testing.assert_close(colours[0, :, 0] * 20, expected, atol=0.02, rtol=0)


def test_a_restorer_sees_no_colour_and_reads_no_label():
    torch.manual_seed(0)
    learner = ColourRestorer(COLOURS, network=SMALL, width=4).eval()
    image = torch.randn(1, 3, 16, 16)
    grey = lab(image)[0]
    batch = Batch(
        image, torch.zeros(1, 16, 16, dtype=torch.int64), image, View.plain([0], [[0, 0]], (16, 16))
    )
    torch.manual_seed(1)
    first = learner.losses(batch, 0)
    torch.manual_seed(1)
    other = batch._replace(image=batch.image + 1, label=batch.label + 1)
    assert first == learner.losses(other, 0)
    near = (learner.colours(grey) - lab(image)[1]).abs()
    torch.testing.assert_close(first["near"], near.mean())
    with pytest.raises(
        ValueError, match="ColourRestorer: expected a batch with unlabelled patches, got none"
    ):
        learner.losses(batch._replace(unlabelled=None), 0)


@pytest.mark.parametrize(
    ("tuned", "learning"),
    [("head", {"head"}), ("decoder", {"decoder", "head"}), ("all", {"encoder", "decoder", "head"})],
)
def test_only_the_last_layers_learn(tuned, learning):
    learner = Recolouring(COLOURS, network=SMALL, tuned=tuned)
    assert names_of(learner, learning=True) == learning


def test_it_begins_with_the_restorers_weights_but_for_the_head():
    torch.manual_seed(0)
    learner, restorer = Recolouring(COLOURS, network=SMALL), ColourRestorer(COLOURS, network=SMALL)
    own = learner.network.head.weight.clone()
    assert own.shape == restorer.network.head.weight.shape  # two classes, and two colours
    learner.learn_from(colour_cohort(), [restorer])
    for name, weight in restorer.network.state_dict().items():
        taken = torch.equal(learner.network.state_dict()[name], weight)
        assert taken != name.startswith("head."), name
    assert torch.equal(learner.network.head.weight, own)


def test_the_encoder_stays_as_the_restorer_left_it(tmp_path):
    store = RunStore(tmp_path)
    run = fit(TARGET, colour_cohort(), tiny_budget(), 0, store=store, progress=False)
    (key,) = run.record.bases
    restorer = next(r for r in store.runs() if r.record.key == key).learner().network
    moved = differing(run.learner().network, restorer)
    assert {name.split(".")[0] for name in moved} == {"decoder", "head"}
    assert run.record.activity["restored"] < 1


def test_what_is_restored_is_what_is_left_of_the_error():
    """A restorer that says a = b = 0 has an error of 1; the running mean takes 5% of a step's error."""
    restorer = ColourRestorer(COLOURS, network=SMALL, width=4)
    restorer.noted = {"colour_error": torch.tensor(0.2)}
    restorer.after_step(0)
    learner = Recolouring(COLOURS, network=SMALL)
    learner.learn_from(colour_cohort(), [restorer])
    assert learner.made["restored"] == pytest.approx(0.05 * 0.8)
    restorer.colours = lambda grey: torch.zeros_like(grey.expand(-1, 2, -1, -1))
    image = torch.randn(1, 3, 16, 16)
    restorer.losses(Batch(image, torch.zeros(1, 16, 16), image), 0)
    assert restorer.noted["colour_error"].item() == pytest.approx(1)


def test_each_side_of_the_colour_game_is_moved_by_its_own_losses_alone():
    learner, image = ColourRestorer(COLOURS, network=SMALL, width=4), torch.randn(2, 3, 16, 16)
    batch = Batch(image, torch.zeros(2, 16, 16), image)
    restore, discriminate = learner.phases()
    sum(restore.losses(batch, 0).values()).backward()
    assert all(p.grad is None for p in learner.discriminator.parameters())
    assert all(p.grad is not None for p in learner.network.parameters())
    learner.zero_grad(set_to_none=True)
    sum(discriminate.losses(batch, 0).values()).backward()
    assert all(p.grad is None for p in learner.network.parameters())
    assert all(p.grad is not None for p in learner.discriminator.parameters())


def test_without_restored_colours_nothing_is_trained_before():
    assert [base.target.rpartition(".")[2] for base in TARGET.bases] == ["ColourRestorer"]
    assert recipe(Recolouring, network=SMALL, coloured=False).bases == ()


@pytest.mark.parametrize("method", [ColourRestorer, Recolouring])
def test_images_without_colour_are_refused(method):
    with pytest.raises(ValueError, match=r"expected colour images of 3 channels \(red, green, blue\), got 1"):
        method(task(2), network=SMALL)


def test_the_discriminator_of_colours_is_shown_true_and_restored_ones():
    learner = ColourRestorer(COLOURS, network=SMALL, width=4).eval()
    image = torch.randn(2, 3, 16, 16)
    batch = Batch(image, torch.zeros(2, 16, 16), image)
    grey, true = lab(image)
    real, other = (learner.discriminator(torch.cat((grey, it), 1)) for it in (true, learner.colours(grey)))
    wanted = learner.adversarial * taken_for(other, True)
    torch.testing.assert_close(learner.losses(batch, 0)["adversarial"], wanted)
    torch.testing.assert_close(learner.discriminator_losses(batch, 0)["told_apart"], told_apart(real, other))
