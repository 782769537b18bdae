"""From probabilities to a table of cases."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.judge import Judge, evaluate, rarest_class, segmentations
from medseg_lab.training.learner import Learner

TASK = Task(1, ("background", "left", "right"), 2)


def case(id: str, spacing=(1.0, 2.0)) -> Case:
    """The image is the label: 1 in the left half, 2 in the right, 0 in the first row."""
    label = torch.ones(6, 8, dtype=torch.uint8)
    label[:, 4:] = 2
    label[0] = 0
    return Case(id, f"patient of {id}", label[None].float(), label[None], spacing)


def perfect(image: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.one_hot(image[0].long(), 3).movedim(-1, 0).float()


def blind(image: torch.Tensor) -> torch.Tensor:
    return torch.stack([torch.ones_like(image[0]), *[torch.zeros_like(image[0])] * 2])


def test_a_row_for_each_case_and_foreground_class():
    table = evaluate(perfect, [case("a"), case("b")], TASK)
    assert table[["case", "patient", "class"]].to_numpy().tolist() == [
        [name, f"patient of {name}", side] for name in "ab" for side in ("left", "right")
    ]
    assert (table[["dice", "iou", "nsd"]] == 1).all(axis=None)
    assert (table[["hd95", "assd"]] == 0).all(axis=None)


def test_the_diagonal_is_the_images():
    table = evaluate(blind, [case("a")], TASK)
    assert table["diagonal"].unique() == pytest.approx(np.hypot(5 * 1.0, 7 * 2.0))
    assert np.isinf(table["hd95"]).all()


def test_without_spacing_there_are_no_distances():
    assert {"hd95", "assd", "nsd", "diagonal"}.isdisjoint(evaluate(perfect, [case("a", None)], TASK))


def test_voxels_without_a_reference_are_not_judged():
    whole = case("a")
    labels = whole.labels.clone()
    labels[0, 3:] = IGNORE  # the lower half; there the prediction is all wrong
    image = whole.image.clone()
    image[0, 3:] = 3 - image[0, 3:]
    table = evaluate(perfect, [Case("a", "a", image, labels, (1.0, 2.0))], TASK)
    assert (table[["dice", "iou", "nsd"]] == 1).all(axis=None)
    assert (table[["hd95", "assd"]] == 0).all(axis=None)


class Threshold(Learner):
    """Knows the answer."""

    def __init__(self) -> None:
        super().__init__(TASK)
        self.scale = torch.nn.Parameter(torch.ones(()))

    def predict(self, image: torch.Tensor) -> torch.Tensor:
        return torch.stack([perfect(one * self.scale) for one in image])


def cohort() -> SimpleNamespace:
    """What a judge asks of a cohort."""
    openings: list[str] = []

    def open_test(reason: str) -> tuple[Case, ...]:
        openings.append(reason)
        return (case("t"),)

    card = SimpleNamespace(preprocessing=SimpleNamespace(slice_axis=0))
    parts = {"labelled": (case("l"),), "validation": (case("v"),)}
    return SimpleNamespace(
        task=TASK, patch=(6, 8), card=card, open_test=open_test, openings=openings, **parts
    )


def test_a_judge_reads_the_parts_it_was_made_for():
    data = cohort()
    table = Judge(parts=["labelled", "validation"])(Threshold(), data)
    assert table.groupby("part")["case"].unique().map(list).to_dict() == {
        "labelled": ["l"],
        "validation": ["v"],
    }
    assert table["dice"].min() == 1
    assert data.openings == []


def test_reading_the_test_part_is_recorded():
    data = cohort()
    table = Judge(parts=["test"])(Threshold(), data)
    assert table["case"].unique().tolist() == ["t"]
    assert len(data.openings) == 1


def test_the_rarest_class_is_that_of_the_labelled_cases_and_alone_has_a_value():
    data = cohort()
    few = case("l")
    few.labels[0, 1:, 4:] = torch.where(torch.rand(5, 4) < 0.5, IGNORE, 0).to(torch.uint8)
    few.labels[0, 1, 4] = 2  # one voxel is left of the right class
    data.labelled = (few,)
    table = Judge()(Threshold(), data)
    assert table["rarest_dice"].isna().tolist() == [True, False]
    assert table["rarest_dice"][1] == table["dice"][1] == 1
    assert rarest_class([case("a"), few], TASK) == "right"


def test_a_class_that_nobody_has_is_not_the_rarest():
    labels = torch.ones(1, 6, 8, dtype=torch.uint8)
    assert rarest_class([Case("a", "a", labels.float(), labels, None)], TASK) == "left"


def test_an_unknown_part_is_refused():
    with pytest.raises(ValueError, match="tset"):
        Judge(parts=["tset"])
    with pytest.raises(ValueError, match="parts: expected some of"):
        Judge(parts=[])


def test_a_judge_keeps_what_it_predicted():
    judge = Judge(parts=["labelled", "validation"])
    judge(Threshold(), cohort())
    assert len(judge.label_maps) == 2


@pytest.mark.parametrize(("held_out", "judged"), [("same", ["a"]), ("other", [])])
def test_segmentations_are_those_that_were_judged_and_the_others_are_predicted(held_out, judged):
    kept = {"a": np.full((6, 8), 2, dtype=np.uint8)}
    asked = []

    def learner() -> Threshold:
        asked.append("the learner")
        return Threshold()

    run = SimpleNamespace(
        segmentations=lambda cases: kept,
        learner=learner,
        record=SimpleNamespace(cohort=SimpleNamespace(held_out=held_out)),
    )
    data = cohort()
    data.held_out = "same"
    found = segmentations(run, data, [case("a"), case("b")])
    for name in ("a", "b"):
        wanted = kept["a"] if name in judged else case(name).label.numpy()
        np.testing.assert_array_equal(found[name], wanted)
    assert asked == ["the learner"]
    if judged:
        assert segmentations(run, data, [case("a")]).keys() == {"a"}
        assert asked == ["the learner"]


def test_inner_dice_is_that_of_the_region_inside_with_all_its_classes():
    """What lies in the innermost class but is called the next one is right for the region that holds both."""
    task = Task(1, ("none", "shell", "wall", "core"), 2)
    label = torch.tensor([[0, 1, 2, 2, 3, 3]], dtype=torch.uint8)
    image = torch.tensor([[0, 1, 1, 2, 2, 3]]).float()  # the prediction
    one = Case("a", "p", image[None], label[None], None)
    four = torch.eye(4)
    table = evaluate(lambda x: four[x[0].long()].movedim(-1, 0), [one], task)
    found = table["inner_dice"].tolist()
    assert np.isnan(found[0])
    assert found[1:] == pytest.approx([2 * 3 / (3 + 4), 2 * 1 / (1 + 2)])
    one.labels[0, 0, 5] = IGNORE  # what is predicted there counts neither for nor against
    open_ = evaluate(lambda x: four[x[0].long()].movedim(-1, 0), [one], task)["inner_dice"].tolist()
    assert open_[1:] == pytest.approx([2 * 2 / (2 + 3), 0])


def test_a_learner_gets_the_reference_of_each_case_before_it_predicts_it():
    learner, seen = Threshold(), []
    learner.take_reference = lambda reference: seen.append(("reference", reference))
    predict = learner.predict
    learner.predict = lambda image: seen.append(("image", image)) or predict(image)
    Judge(["validation"])(learner, cohort())
    assert [what for what, _ in seen] == ["reference", "image"]
    assert torch.equal(seen[0][1], case("v").label)
