"""A round learns from what the round before predicted, and from nothing else."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from toys import SMALL, differing, one_weight, tiny_budget, tiny_cohort, trained

from medseg_lab.data.augment import Augmentation
from medseg_lab.data.batch import Batch
from medseg_lab.data.batches import Batches
from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.cohort import load_cohort
from medseg_lab.data.mapped import relabelled
from medseg_lab.evaluation.judge import Judge
from medseg_lab.inference.predict import predict_case
from medseg_lab.losses.cross_entropy import CrossEntropy
from medseg_lab.rounds.self_training import SelfTraining
from medseg_lab.training import fit as fitting
from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import recipe
from medseg_lab.training.run import PSEUDO_LABELS, joint_cost
from medseg_lab.training.runs import RunStore
from medseg_lab.training.schedule import learning_rate
from medseg_lab.training.supervised import Supervised
from medseg_lab.workers.fits import unfit

COHORT = tiny_cohort(3, 2)
ROOM = {"steps": 3, "voxels": 2 * 8**2, "patch": 8}
TWIN = recipe(Supervised, network=SMALL, spatial_dims=2)


def rounds(number, **arguments):
    return recipe(SelfTraining, network=SMALL, spatial_dims=2, rounds=number, share=1.0, **arguments)


def fitted(target, folder, cohort=COHORT, judge=None):
    return fit(target, cohort, tiny_budget(**ROOM), 0, store=RunStore(folder), judge=judge, progress=False)


def test_each_round_rests_on_the_one_before_and_the_first_on_labels_alone():
    assert rounds(3).bases == (rounds(2),)
    assert rounds(1).bases == (TWIN,)
    assert rounds(0).bases == ()


def test_a_voxel_of_too_little_confidence_has_no_pseudo_label():
    said = torch.tensor([[0.75, 0.5, 0.375], [0.25, 0.5, 0.625]])
    label, kept = one_weight(SelfTraining, confidence=0.625).pseudo_label(said)
    assert label.tolist() == [0, IGNORE, 1]
    assert kept.tolist() == [True, False, True]


def test_what_became_of_the_voxels_is_counted():
    """Of four voxels three have a pseudo-label, and one of these is another than the teacher's class."""

    class Changed(SelfTraining):
        def foretold(self, case, teachers, slice_axis):
            return torch.tensor([[[0.9, 0.9, 0.1, 0.1]], [[0.1, 0.1, 0.9, 0.9]]])

        def refined(self, foretold, case):
            return torch.tensor([[[0.9, 0.2, 0.1, 0.6]], [[0.1, 0.8, 0.9, 0.4]]])

    learner = one_weight(Changed, confidence=0.7)
    case = Case("a", "a", torch.zeros(1, 1, 4), torch.zeros((0, 1, 4), dtype=torch.uint8), None)
    (found,) = learner.taught([case], [], 2)
    assert found.label.tolist() == [[0, 1, 1, IGNORE]]
    assert learner.made == {"kept": 3 / 4, "refined": 1 / 3}


def test_a_round_goes_on_from_its_teacher_for_its_share_of_the_steps():
    learner, teacher = rounds(1).build(COHORT.task), TWIN.build(COHORT.task)
    assert differing(learner.network, teacher.network)
    teacher.patch = (8, 8)
    learner.learn_from(COHORT, [teacher])
    assert differing(learner.network, teacher.network) == []
    assert one_weight(SelfTraining, share=0.25).steps_within(600) == 150
    assert one_weight(SelfTraining, share=0.25, rounds=0).steps_within(600) == 600


def test_schedules_are_as_long_as_the_round(tmp_path):
    teacher = TWIN.build(COHORT.task)
    teacher.patch = (8, 8)
    short = recipe(SelfTraining, network=SMALL, spatial_dims=2, share=0.5)
    learner, curves = trained(short, COHORT, tmp_path, teachers=[teacher], **{**ROOM, "steps": 8})
    assert learner.steps == 4
    wanted = [learning_rate(step, 4, learner.learning_rate) for step in range(4)]
    assert [row["lr"] for row in curves.rows] == pytest.approx(wanted)


def test_its_loss_is_that_of_labels_and_of_pseudo_labels_by_equation_9():
    """All logits are 0: each known voxel costs ln 2, one without a pseudo-label nothing."""
    learner = one_weight(SelfTraining, 0.0, weight=3.0, loss=recipe(CrossEntropy))
    image, label = torch.ones(1, 1, 1, 4), torch.zeros(1, 1, 4, dtype=torch.int64)
    pseudo = torch.tensor([[[0, 1, IGNORE, IGNORE]]])
    terms = learner.losses(Batch(image, label, image, pseudo=pseudo), 0)
    torch.testing.assert_close(terms["cross_entropy"], torch.tensor(2.0).log())
    torch.testing.assert_close(terms["pseudo"], 3 * torch.tensor(2.0).log())
    with pytest.raises(ValueError, match="SelfTraining: expected a batch with pseudo-labels, got none"):
        learner.losses(Batch(image, label, image), 0)


def test_no_round_is_the_supervised_twin(tmp_path):
    one, _ = trained(rounds(0), COHORT, tmp_path / "rounds", **ROOM)
    twin, _ = trained(TWIN, COHORT, tmp_path / "twin", **ROOM)
    assert differing(one, twin) == []


def test_a_run_lists_its_parts_and_keeps_what_it_learned_from(tmp_path):
    run = fitted(rounds(2, cases=2), tmp_path, judge=recipe(Judge))
    first, second, third = run.rounds()
    assert [one.record.bases for one in (first, second, third)] == [
        (),
        (first.record.key,),
        (second.record.key,),
    ]
    assert all(one.cases is not None for one in (first, second, third))  # each is judged
    teacher = second.learner()
    kept = third.pseudo_labels(COHORT.unlabelled)
    assert list(kept) == ["c2", "c3"]  # the first two of three cases without labels
    for case in COHORT.unlabelled[:2]:
        said = predict_case(teacher, case.image, slice_axis=2).argmax(0)
        assert torch.equal(torch.from_numpy(kept[case.id]), said.to(torch.uint8))
    assert run.record.activity == {"kept": 1.0, "refined": 0.0}
    alone = sum(one.own_seconds for one in (first, second, third))
    assert alone < run.record.seconds < alone + 60  # with predicting, twice
    assert run.record.step_flops > second.record.step_flops > first.record.step_flops
    again = fitted(rounds(2, cases=2), tmp_path, judge=recipe(Judge, parts=["labelled"]))
    assert again.record.key != run.record.key
    assert again.pseudo_labels(COHORT.unlabelled).keys() == kept.keys()
    assert again.record.bases == run.record.bases
    damaged = bytearray((run.folder / PSEUDO_LABELS).read_bytes())
    damaged[60:64] = b"\xff" * 4  # inside of what is compressed
    (run.folder / PSEUDO_LABELS).write_bytes(damaged)
    with pytest.raises(ValueError, match=r"pseudo_labels\.npz: expected the file that this run wrote, got"):
        run.pseudo_labels(COHORT.unlabelled)


def test_what_many_rounds_cost_is_summed_up_once():
    """Each of forty cost 2 and says the sum with all before it; as a tree of calls it would take for ever."""

    class Round:
        def __init__(self, number):
            self.number, self.record = number, SimpleNamespace(seconds=2 * (number + 1))

        @property
        def parts(self):
            return {str(n): Round(n) for n in range(self.number + 1)}

    assert joint_cost([Round(39), Round(20)], "seconds") == 80


def test_interrupted_in_round_3_it_goes_on_in_round_3(tmp_path, monkeypatch):
    called = []
    train = fitting.train

    def counted(learner, *args, **more):
        called.append(learner.rounds if isinstance(learner, SelfTraining) else 0)
        if stop and called[-1] == 3:
            raise KeyboardInterrupt
        return train(learner, *args, **more)

    monkeypatch.setattr(fitting, "train", counted)
    stop = True
    with pytest.raises(KeyboardInterrupt):
        fitted(rounds(3), tmp_path / "stopped")
    assert called == [0, 1, 2, 3]
    stop = False
    run = fitted(rounds(3), tmp_path / "stopped")
    assert called == [0, 1, 2, 3, 3]
    assert differing(run.learner(), fitted(rounds(3), tmp_path / "at once").learner()) == []


def test_labels_of_cases_without_labels_are_never_read(tmp_path):
    """Poisoned with a class that is everywhere, they change no bit."""
    poisoned = tuple(
        relabelled(case, torch.ones(case.image.shape[1:], dtype=torch.uint8)) for case in COHORT.unlabelled
    )
    plain = fitted(rounds(1), tmp_path / "plain").learner()
    other = fitted(rounds(1), tmp_path / "poisoned", replace(COHORT, unlabelled=poisoned)).learner()
    assert differing(plain, other) == []
    alone = fitted(rounds(1, weight=0.0), tmp_path / "alone").learner()
    assert differing(plain, alone)


@pytest.mark.parametrize("mapped", [False, True])
def test_batches_have_pseudo_labels_where_cases_have_been_given_any(mapped):
    """Here bright voxels are 2: in patches that nothing changed it is the same voxels."""
    cohort = load_cohort("virtual-brain", cases=5, labelled=1, mapped=mapped)
    task, plain = cohort.task.in_dimension(2), Augmentation(spatial=False, intensity=False)
    bright = [relabelled(case, 2 * (case.image[0] > 0).to(torch.uint8)) for case in cohort.unlabelled]
    given = replace(cohort, unlabelled=tuple(bright))
    size = {"budget_voxels": 2 * 96**2, "patch_limit": 96, "unlabelled": True, "augmentation": plain}
    batch = Batches(given, task, **size).batch(0)
    assert batch.pseudo.dtype == torch.int64
    assert torch.equal(batch.pseudo, 2 * (batch.unlabelled[:, 0] > 0).long())
    assert batch.pseudo.any()
    assert Batches(cohort, task, **size).batch(0).pseudo is None


def test_slices_of_another_plane_are_those_across_the_next_axis():
    torch.manual_seed(0)
    image = COHORT.validation[0].image
    own = TWIN.build(COHORT.task).eval()
    other = recipe(Supervised, network=SMALL, spatial_dims=2, plane=1).build(COHORT.task).eval()
    other.load_state_dict(own.state_dict())
    found = predict_case(other, image, (8, 8), slice_axis=2)
    turned = predict_case(own, image.movedim(1, -1), (8, 8), slice_axis=2)  # the first axis comes last
    torch.testing.assert_close(found, turned.movedim(-1, 1))
    batches = Batches(COHORT, other.task, 64, 8, plane=1)
    assert batches.labelled_shapes[0] == (10, 9, 8)  # the slice axis, now the first one, comes first
    assert Batches(COHORT, other.task, 64, 8).labelled_shapes[0] == (8, 10, 9)


def test_what_does_not_fit_is_found_before_its_bases_are_trained(tmp_path):
    with pytest.raises(ValueError, match=r"SelfTraining: share: expected greater than 0, got 0\.0"):
        fitted(recipe(SelfTraining, network=SMALL, spatial_dims=2, share=0.0), tmp_path)
    assert RunStore(tmp_path).runs() == []


def test_what_cannot_be_trained_says_why():
    assert unfit(rounds(1), tiny_cohort(3, 2, labelled=2, unlabelled=0)).startswith("needs cases without")
    plane = recipe(Supervised, network=SMALL, spatial_dims=2, plane=1)
    assert unfit(plane, tiny_cohort(2, 2)).startswith("cuts volumes in another plane")
    assert unfit(plane, COHORT) == ""
    solid = recipe(Supervised, network=SMALL, plane=1)
    assert unfit(solid, COHORT) == "learns from volumes, which have no plane: expected plane 0, got 1"
