"""UA-MT's mask as a picture: the teacher as in training, the threshold of the step, what share is used."""

from math import log

import numpy as np
import pytest
import torch

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.losses.entropy import entropy
from medseg_lab.networks.unet import UNet
from medseg_lab.semi.mean_teacher import MeanTeacher
from medseg_lab.semi.ua_mt import UAMT
from medseg_lab.show.spot import fullest, marked
from medseg_lab.show.teacher_confidence import MASKED, teacher_confidence, teacher_entropy
from medseg_lab.training.recipe import recipe
from tests.show.legible import assert_legible

TASK = Task(1, ("background", "a", "b"), 3)


def learner(dropout: float = 0.5, classes: int = 3, steps: int = 10) -> UAMT:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        task = Task(1, tuple("xyzw"[:classes]), 3)
        network = recipe(UNet, features=(4, 8), dropout=dropout)
        made = UAMT(task, network=network, ramp=0.4, passes=4, spatial_dims=2)
    for parameter in made.teacher.parameters():
        parameter.mul_(3)  # so that it is surer in some places than in others
    made.prepare(steps, ())
    made.patch = (8, 8)
    return made.eval()


def case() -> Case:
    image = torch.randn((1, 14, 12, 6), generator=torch.Generator().manual_seed(1))
    label = torch.zeros(1, 14, 12, 6, dtype=torch.uint8)
    label[0, 4:9, 3:8, 2:5], label[0, 9:11, 3:8, 3] = 1, 2
    return Case("one", "one", image, label, (1.0, 1.0, 3.0))


PLACE = fullest(case(), 2, (8, 8))


def test_the_teacher_is_asked_as_in_training():
    """Without dropout and noise it would say the same in each pass, and so would its mean."""
    one = learner()
    with torch.no_grad():
        plain = entropy(one.teacher_probabilities(PLACE.image(case())))[0].numpy()
    asked = teacher_entropy(one, case(), PLACE)
    assert np.abs(asked - plain).mean() > 0.05
    still = learner(dropout=0.0)
    with torch.no_grad():
        plain = entropy(still.teacher_probabilities(PLACE.image(case())))[0].numpy()
    assert np.abs(teacher_entropy(still, case(), PLACE) - plain).mean() < np.abs(asked - plain).mean() / 2


def test_it_is_the_learners_own_uncertainty():
    one = learner().train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        wanted = one.uncertainty(PLACE.image(case()))[0].numpy()
    np.testing.assert_array_equal(teacher_entropy(one, case(), PLACE, seed=5), wanted)


def test_it_is_drawn_from_its_seed_and_from_nothing_else():
    one = learner()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, again, other = (teacher_entropy(one, case(), PLACE, seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_learner_stays_in_the_mode_it_was_in():
    one = learner().train()
    one.teacher.eval()
    one.teacher.encoder.train()
    before = [module.training for module in one.modules()]
    state = {name: value.clone() for name, value in one.state_dict().items()}
    teacher_entropy(one, case(), PLACE)
    assert [module.training for module in one.modules()] == before
    assert all(torch.equal(state[name], value) for name, value in one.state_dict().items())


def test_the_mode_is_restored_even_if_the_learner_fails(monkeypatch):
    one = learner()
    monkeypatch.setattr(one, "uncertainty", lambda image: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        teacher_entropy(one, case(), PLACE)
    assert not any(module.training for module in one.modules())


@pytest.mark.parametrize(("step", "ramp"), [(1, np.exp(-5 * 0.75**2)), (4, 1.0)])
def test_the_threshold_is_that_of_the_step_in_nats_and_as_a_share(step, ramp):
    """The term comes in over 0.4 of 10 steps."""
    fig = teacher_confidence({step: learner()}, case(), TASK)(step)
    share = 0.75 + 0.25 * ramp
    said = f"threshold {share * log(3):.2f} nats, {share:.0%} of ln 3"
    assert fig._suptitle.get_text() == f"after {step} step{'s' if step > 1 else ''}: {said}"
    assert said in fig.get_label()


def shown(fig) -> tuple[np.ndarray, np.ndarray]:
    """The entropy in shares of ln K, and what is painted over."""
    _, values = fig.axes[1].images
    _, painted = fig.axes[2].images
    return np.asarray(values.get_array()), np.asarray(painted.get_array())


@pytest.mark.parametrize("step", [1, 3])
def test_what_is_above_the_threshold_is_painted_over_and_the_rest_counted(step):
    fig = teacher_confidence({step: learner()}, case(), TASK, seed=2)(step)
    values, painted = shown(fig)
    np.testing.assert_allclose(
        values, np.rot90(teacher_entropy(learner(), case(), PLACE, 2)) / log(3), rtol=1e-6
    )
    assert fig.axes[1].images[1].get_clim() == (0, 1)
    share = learner().limit(step) / log(3)
    covered = painted[..., 3] == 1
    np.testing.assert_array_equal(covered, ~(values < share))
    assert 0 < covered.mean() < 1
    foreground = np.rot90(PLACE.of(marked(case())))
    title = fig.axes[2].get_title("center")
    used = [1 - covered.mean(), 1 - covered[foreground].mean()]
    assert title == f"used: {used[0]:.1%}\nof the foreground: {used[1]:.1%}"
    assert f"Pixels {title.replace(chr(10), ', ')}." in fig.get_label()


def test_at_the_end_of_the_ramp_all_is_used():
    """Nothing is above ln K."""
    _, painted = shown(teacher_confidence({10: learner()}, case(), TASK)(10))
    assert not painted[..., 3].any()


def test_the_colour_of_the_legend_is_the_one_painted():
    from matplotlib.colors import to_rgb

    fig = teacher_confidence({1: learner()}, case(), TASK)(1)
    _, painted = shown(fig)
    np.testing.assert_allclose(painted[painted[..., 3] == 1][0, :3], to_rgb(MASKED))
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["a", "b", "not used"]


def test_each_step_has_its_own_learner():
    sure = learner()
    for parameter in sure.teacher.head.parameters():
        parameter.mul_(20)
    draw = teacher_confidence({1: learner(), 2: sure}, case(), TASK)
    assert shown(draw(2))[0].mean() < shown(draw(1))[0].mean()


@pytest.mark.filterwarnings("error")
def test_no_words_are_cut_off_or_cover_each_other():
    task = Task(1, ("background", "right ventricle", "myocardium", "left ventricle"), 3)
    assert_legible(teacher_confidence({1000: learner(classes=4)}, case(), task)(1000))


def test_other_learners_are_refused():
    with pytest.raises(ValueError, match="learners: expected one or more, got none"):
        teacher_confidence({}, case(), TASK)
    with pytest.raises(ValueError, match="learners: expected UAMT, got MeanTeacher"):
        teacher_confidence(
            {1: MeanTeacher(TASK, network=recipe(UNet, features=(4, 8)), spatial_dims=2)}, case(), TASK
        )
    with pytest.raises(ValueError, match="learners: expected 2 spatial dimensions, got 3"):
        teacher_confidence({1: UAMT(TASK, network=recipe(UNet, features=(4, 8)))}, case(), TASK)
