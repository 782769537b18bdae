"""The order of things inside a step, and resuming in the middle."""

import pytest
import torch
from learning_toys import TASK, Pushing, Voxelwise, tiny_budget, tiny_cohort

from medseg_lab.data.batches import Batches
from medseg_lab.training.checkpoint import Checkpoints
from medseg_lab.training.device import make_fabric
from medseg_lab.training.learner import Learner
from medseg_lab.training.loop import train
from medseg_lab.training.schedule import learning_rate


def run(learner: Learner, steps: int, folder, *, interval: float = 1e6, stop: int | None = None):
    """Train for `steps`; with `stop`, be cut off after so many of them."""
    batches = Batches(tiny_cohort(), TASK, 2 * 8**3, 8, seed=5)
    fabric = make_fabric("32-true")

    class Cut:
        unlabelled_shapes = batches.unlabelled_shapes

        def batch(self, step: int):
            if step == stop:
                raise KeyboardInterrupt
            return batches.batch(step)

    budget = tiny_budget(steps=steps)
    return train(learner, Cut(), budget, 5, fabric, Checkpoints(folder, interval))


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
