"""The order of things inside a step, and resuming in the middle."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from learning_toys import TASK, Pushing, Voxelwise, tiny_budget, tiny_cohort, train_tiny
from torch import nn
from toys import tiny_cohort as three_patients

from medseg_lab.data.augment import Augmentation
from medseg_lab.data.batches import Batches
from medseg_lab.data.folds import outside
from medseg_lab.training.begin import begin
from medseg_lab.training.checkpoint import Checkpoints
from medseg_lab.training.device import make_fabric
from medseg_lab.training.learner import Learner, Phase
from medseg_lab.training.loop import parameter_groups, train
from medseg_lab.training.recipe import recipe
from medseg_lab.training.schedule import learning_rate


def run(
    learner: Learner, steps: int, folder, *, interval: float = 1e6, stop: int | None = None, shapes=(), **more
):
    """Train for `steps`; with `stop`, be cut off after so many of them."""
    batches = Batches(tiny_cohort(), TASK, 2 * 8**3, 8, seed=5)
    fabric = make_fabric("32-true")

    class Cut:
        unlabelled_shapes = shapes
        labelled_shapes = ()

        def batch(self, step: int):
            if step == stop:
                raise KeyboardInterrupt
            return batches.batch(step)

    budget = tiny_budget(steps=steps)
    return train(learner, Cut(), budget, 5, fabric, Checkpoints(folder, interval), **more)


def by_hand(steps: int) -> tuple[float, float]:
    """The two scalars of `Pushing`, each moved by AdamW down its own phase's gradient alone."""
    a, b = torch.tensor(1.0), torch.tensor(2.0)
    moments = {"a": (0.0, 0.0), "b": (0.0, 0.0)}

    def adam(name: str, value: torch.Tensor, gradient: float, step: int) -> torch.Tensor:
        gradient *= min(1.0, 12.0 / (abs(gradient) + 1e-6))
        m, v = moments[name]
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        moments[name] = m, v
        rate = learning_rate(step, steps, 3e-3)
        m, v = m / (1 - 0.9 ** (step + 1)), v / (1 - 0.999 ** (step + 1))
        return value - rate * m / (v**0.5 + 1e-8)

    for step in range(steps):
        a = adam("a", a, float(2 * a * b**2), step)
        b = adam("b", b, float(-6 * (a - 3 * b) + 2 * b), step)
    return float(a), float(b)


def test_each_phase_moves_its_own_parameters_only(tmp_path):
    learner = Pushing(TASK)
    curves = run(learner, 3, tmp_path)
    for first, second, last in zip(learner.seen[0::3], learner.seen[1::3], learner.seen[2::3], strict=True):
        assert second[1] != first[1]  # the segmenter moved in its phase
        assert second[2] == first[2]  # the critic did not
        assert last[1] == second[1]
        assert last[2] != second[2]
    assert (learner.segmenter.item(), learner.critic.item()) == pytest.approx(by_hand(3), abs=1e-6)
    assert list(curves.rows[0])[3:] == ["segmenter.fool", "critic.tell", "critic.small"]


def test_after_step_comes_after_the_optimisers(tmp_path):
    learner = Pushing(TASK)
    run(learner, 2, tmp_path)
    assert [when for when, *_ in learner.seen] == ["segmenter", "critic", "after"] * 2
    assert learner.seen[-1][1:] == (learner.segmenter.item(), learner.critic.item())


@pytest.mark.parametrize("stop", [1, 4, 6])
def test_resuming_gives_the_bits_of_a_run_never_stopped(tmp_path, stop):
    """With dropout, batch norm's statistics, a teacher, a counter and AdamW's moments."""
    torch.manual_seed(0)
    state = Voxelwise(TASK).state_dict()
    whole, cut, resumed = Voxelwise(TASK), Voxelwise(TASK), Voxelwise(TASK)
    whole.load_state_dict(state)
    cut.load_state_dict(state)
    wanted = run(whole, 7, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(cut, 7, tmp_path / "cut", interval=0, stop=stop)
    torch.rand(100)  # whatever else the process draws
    found = run(resumed, 7, tmp_path / "cut")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert resumed.seen == 7
    drop = lambda rows: [{k: v for k, v in row.items() if k != "seconds"} for row in rows]  # noqa: E731
    assert drop(found.rows) == drop(wanted.rows)
    seconds = [row["seconds"] for row in found.rows]
    assert seconds == sorted(seconds)


def test_the_gradient_is_clipped_to_the_learners_norm(tmp_path):
    class Still(Pushing):
        clip_norm = 0.0

    learner = Still(TASK)
    run(learner, 2, tmp_path)
    assert (learner.segmenter.item(), learner.critic.item()) == (1.0, 2.0)


def test_bfloat16_keeps_weights_and_losses_in_float32(tmp_path):
    types = []

    class Noting(Voxelwise):
        def losses(self, batch, step):
            types.append(self.student(batch.image).dtype)
            return super().losses(batch, step)

    learner = Noting(TASK)
    batches = Batches(tiny_cohort(), TASK, 2 * 8**3, 8)
    train(learner, batches, tiny_budget(steps=1), 0, make_fabric("bf16-mixed"), Checkpoints(tmp_path, 1e6))
    assert types == [torch.bfloat16]
    assert {p.dtype for p in learner.parameters()} == {torch.float32}


class Telling(Voxelwise):
    """Notes what it is told, and makes a buffer and a parameter for each unlabelled case when it prepares."""

    def __init__(self, task) -> None:
        super().__init__(task)
        self.told: list[str] = []

    def prepare(self, steps, unlabelled, labelled=()):
        super().prepare(steps, unlabelled, labelled)
        self.told.append(f"prepare {steps} {list(unlabelled)}")
        for case, shape in enumerate(unlabelled):
            self.register_buffer(f"counted{case}", torch.zeros(shape))
            self.register_parameter(f"bias{case}", nn.Parameter(torch.zeros(())))

    def phases(self):
        self.told.append("phases")
        return super().phases()

    def losses(self, batch, step):
        self.told.append(f"losses {step}")
        biases = [p for name, p in self.named_parameters() if name.startswith("bias")]
        pulled = sum(((bias - 1) ** 2 for bias in biases), torch.zeros(()))
        return super().losses(batch, step) | {"bias": pulled}

    def after_step(self, step):
        super().after_step(step)
        self.told.append(f"after {step}")
        for name, buffer in self.named_buffers():
            if name.startswith("counted"):
                buffer += 1

    def forget(self):
        self.told.append("forget")


def without_phases(told: list[str]) -> list[str]:
    return [said for said in told if said != "phases"]


def test_a_learner_is_prepared_once_and_before_all_else(tmp_path):
    learner = Telling(TASK)
    run(learner, 2, tmp_path, shapes=((2, 3), (4,)))
    assert learner.told[:2] == ["prepare 2 [(2, 3), (4,)]", "phases"]
    assert without_phases(learner.told)[1:] == ["losses 0", "after 0", "losses 1", "after 1"]
    assert learner.steps == 2
    assert Voxelwise(TASK).steps == 0


def test_what_is_made_when_it_prepares_is_trained_and_resumed(tmp_path):
    torch.manual_seed(0)
    state = Telling(TASK).state_dict()
    whole, cut, resumed = (Telling(TASK) for _ in range(3))
    for learner in (whole, cut):
        learner.load_state_dict(state)
    run(whole, 5, tmp_path / "whole", shapes=((2, 3),))
    with pytest.raises(KeyboardInterrupt):
        run(cut, 5, tmp_path / "cut", interval=0, stop=3, shapes=((2, 3),))
    run(resumed, 5, tmp_path / "cut", shapes=((2, 3),))
    assert whole.bias0.item() > 0
    assert torch.equal(whole.counted0, torch.full((2, 3), 5.0))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert without_phases(resumed.told) == [
        "prepare 5 [(2, 3)]",
        "losses 3",
        "after 3",
        "losses 4",
        "after 4",
    ]


def test_the_watcher_is_called_when_a_step_is_done(tmp_path):
    learner = Telling(TASK)
    seen = []

    def watch(step: int) -> None:
        seen.append((step, learner.told[-1], int(learner.seen)))

    run(learner, 3, tmp_path, watch=watch)
    assert seen == [(0, "after 0", 1), (1, "after 1", 2), (2, "after 2", 3)]


def test_the_watcher_of_a_resumed_run_sees_what_is_left(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(Telling(TASK), 5, tmp_path, interval=0, stop=3)
    seen = []
    run(Telling(TASK), 5, tmp_path, watch=seen.append)
    assert seen == [3, 4]


class Forgetful(Voxelwise):
    """Has a buffer that only training needs."""

    def prepare(self, steps, unlabelled, labelled=()):
        super().prepare(steps, unlabelled, labelled)
        self.register_buffer("scratch", torch.zeros(3))

    def forget(self):
        del self.scratch


def test_what_only_training_needs_is_in_the_checkpoint_and_not_in_the_run(tmp_path):
    learner = Forgetful(TASK)
    run(learner, 2, tmp_path / "loop")
    assert "scratch" in learner.state_dict()
    target = recipe(Forgetful)
    stored = train_tiny(tmp_path / "store", target)
    assert "scratch" not in stored.learner(recipe=target).state_dict()


def weights(*values: float) -> list[nn.Parameter]:
    return [nn.Parameter(torch.tensor(value)) for value in values]


def test_each_phase_moves_its_parameters_and_decays_those_that_none_before_it_did():
    a, b, c, d = weights(1.0, 2.0, 3.0, 4.0)
    phases = [Phase("one", [a, b], None), Phase("two", [b, c], None), Phase("three", [a, b, c, d], None)]
    found = [
        [([id(p) for p in group["params"]], group.get("weight_decay", "the learner's")) for group in groups]
        for groups in parameter_groups(phases)
    ]
    assert found == [
        [([id(a), id(b)], "the learner's")],
        [([id(b)], 0.0), ([id(c)], "the learner's")],
        [([id(a), id(b), id(c)], 0.0), ([id(d)], "the learner's")],
    ]


class Slowed(Learner):
    """One weight at the whole rate, one at a tenth; the phase itself has none in the first step."""

    def build(self) -> None:
        super().build()
        self.a, self.b = weights(1.0, 1.0)
        self.seen = []

    def phases(self):
        return [Phase("one", self.parameters(), self.losses, rate=float, slower={0.1: [self.b]})]

    def losses(self, batch, step):
        self.note(step=step)
        return {"sum": self.a + self.b}

    def after_step(self, step):
        self.seen.append((self.a.item(), self.b.item()))


def test_a_phase_has_its_share_of_the_learning_rate_and_some_of_its_parameters_a_smaller_one(tmp_path):
    learner = Slowed(TASK, weight_decay=0.0)
    curves = run(learner, 4, tmp_path)
    assert learner.seen[0] == (1.0, 1.0)
    for before, after in pairwise(learner.seen):
        moved = [one - two for one, two in zip(before, after, strict=True)]
        assert moved[0] > 0
        assert moved[1] == pytest.approx(0.1 * moved[0], rel=1e-3)
    assert curves.activity == {"step": 2.5}  # of the second half: steps 2 and 3


def test_what_wants_no_gradient_is_moved_by_no_phase():
    a, b = weights(1.0, 2.0)
    b.requires_grad_(False)
    [groups] = parameter_groups([Phase("one", iter([a, b]), None)])
    assert [id(p) for group in groups for p in group["params"]] == [id(a)]


class Twice(Learner):
    """Two phases share a weight down which neither has a slope: only its decay moves it."""

    weight_decay = 0.5

    def __init__(self, task) -> None:
        super().__init__(task)
        self.shared, self.second = weights(1.0, 1.0)

    def phases(self):
        return [
            Phase("one", [self.shared], lambda batch, step: {"flat": 0 * self.shared}),
            Phase(
                "two",
                [self.shared, self.second],
                lambda batch, step: {"flat": 0 * (self.shared + self.second)},
            ),
        ]


def test_a_weight_that_two_phases_share_decays_once_a_step(tmp_path):
    learner = Twice(TASK)
    run(learner, 3, tmp_path)
    wanted = 1.0
    for step in range(3):
        wanted *= 1 - learning_rate(step, 3, 4e-3) * 0.5
    assert learner.shared.item() == pytest.approx(wanted, abs=1e-7)
    assert learner.second.item() == pytest.approx(wanted, abs=1e-7)


def test_stochastic_gradient_descent_has_nesterov_momentum_and_decay(tmp_path):
    """Two steps by hand on `L = w^2 / 2` from w = 1; the decay adds w / 2 to the gradient w."""
    learner = Halved(TASK, optimiser="sgd", learning_rate=0.1, weight_decay=0.5)
    run(learner, 2, tmp_path)
    w, velocity = 1.0, 0.0
    for step in range(2):
        gradient = 1.5 * w
        velocity = 0.99 * velocity + gradient
        w -= learning_rate(step, 2, 0.1) * (gradient + 0.99 * velocity)
    assert learner.w.item() == pytest.approx(w, rel=1e-5)


class Halved(Learner):
    """One number w, with the loss w^2 / 2."""

    def build(self) -> None:
        super().build()
        self.w = nn.Parameter(torch.tensor(1.0))

    def losses(self, batch, step):
        return {"half": self.w**2 / 2}


@pytest.mark.parametrize("fold", [(2, 2), (0, 1), (1,), (-1, 3)])
def test_a_fold_that_is_none_is_refused(fold):
    with pytest.raises(ValueError, match=r"Halved: fold: expected \(i, k\)"):
        Halved(TASK, fold=fold)


def test_a_batch_holds_as_many_patches_as_the_learner_asks_for():
    wanted = Batches(tiny_cohort(), TASK, 2 * 8**3, 8, size=5)
    assert wanted.batch_size == len(wanted.batch(0).image) == 5


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_training_has_the_fold_and_the_batch_size_of_its_learner(part):
    """Each patient's image is its own number: those of the part that is left out are never drawn."""
    cohort = three_patients(labelled=3)
    numbered = tuple(
        replace(case, image=torch.full_like(case.image, number + 1))
        for number, case in enumerate(cohort.labelled)
    )
    cohort = replace(cohort, labelled=numbered)
    still = recipe(Augmentation, spatial=False, intensity=False)
    learner = recipe(Voxelwise, fold=[part, 3], batch_size=4, augmentation=still)
    _, batches = begin(learner, cohort, tiny_budget(), 0, make_fabric("32-true"))
    drawn = torch.cat([batches.batch(step).image for step in range(3)])
    assert len(drawn) == 12
    assert set(drawn.unique().tolist()) - {0} == {
        float(case.image.max()) for case in outside(numbered, part, 3)
    }
