"""A classifier that is told classes and no places; pseudo-masks by hand; masks that are withheld."""

import math
from dataclasses import replace

import pytest
import torch
from toys import SMALL, differing, noise_batch, task, tiny_budget, tiny_cohort, trained

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import IGNORE
from medseg_lab.data.cohort import load_cohort
from medseg_lab.data.splits import Split
from medseg_lab.semi.adversaries.collaborative import (
    CollaborativeLearning,
    refined,
    with_masks_of,
)
from medseg_lab.semi.adversaries.discriminator import taken_for, told_apart
from medseg_lab.semi.adversaries.image_classifier import ImageClassifier, PlaceScores, pooled, presence
from medseg_lab.semi.adversaries.masks import as_mask, beside, one_hot
from medseg_lab.semi.mean_teacher import MeanTeacher
from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import recipe
from medseg_lab.training.runs import RunStore
from medseg_lab.workers.fits import unfit

TARGET = recipe(CollaborativeLearning, network=SMALL, spatial_dims=2, width=4, share=1.0)


def poisoned(case):
    """The case with its voxels of every slice put elsewhere: each slice shows the same classes."""
    slices = case.label.movedim(-1, 0)
    moved = torch.stack([one.flatten().roll(29).view_as(one) for one in slices]).movedim(0, -1)
    return replace(case, labels=moved.contiguous()[None])


def test_of_a_label_only_the_classes_in_it_are_read():
    torch.manual_seed(0)
    classifier, batch = ImageClassifier(task(2, 3), width=4), noise_batch(classes=2)
    batch.label[0, 0, 0] = 2
    shuffled = batch._replace(label=batch.label.flip(1).roll(3, 2))
    assert classifier.losses(batch, 0)["presence"] == classifier.losses(shuffled, 0)["presence"]
    batch.label[0, 0, 0] = IGNORE
    assert classifier.losses(batch, 0)["presence"] != classifier.losses(shuffled, 0)["presence"]
    assert presence(shuffled.label, 3).tolist() == [[1, 1], [1, 0]]


def test_a_score_is_pooled_between_mean_and_maximum():
    scores = torch.tensor([[[0.0, math.log(3)]]])  # (e^0 + e^(4 log 3)) / 2 = 41
    assert pooled(scores).item() == pytest.approx(math.log(41) / 4)


def squares(seed: int):
    """Noise, of which half of the images have a bright square of 8 x 8 somewhere; the square has label 1."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(8, 1, 32, 32, generator=generator) / 4
    label = torch.zeros(8, 32, 32, dtype=torch.int64)
    for number, (y, x) in enumerate(torch.randint(0, 24, (4, 2), generator=generator).tolist()):
        image[number, 0, y : y + 8, x : x + 8] += 2
        label[number, y : y + 8, x : x + 8] = 1
    return noise_batch()._replace(image=image, label=label)


def test_told_whether_there_is_a_square_it_attends_to_where_it_is():
    torch.manual_seed(0)
    classifier = ImageClassifier(task(2, 2), width=8)
    optimiser = torch.optim.Adam(classifier.parameters(), lr=4e-3)
    for step in range(80):
        optimiser.zero_grad()
        classifier.losses(squares(step), step)["presence"].backward()
        optimiser.step()
    unseen = squares(100)
    attention, there = classifier.places.attention(unseen.image)[:4, 0], unseen.label[:4] == 1
    assert attention[there].mean() > 0.8
    assert attention[there].mean() > 3 * attention[~there].mean()


def test_an_attention_of_one_half_changes_nothing():
    probabilities = torch.tensor([0.5, 0.3, 0.2]).view(1, 3, 1, 1)
    even = torch.full((1, 2, 1, 1), 0.5)
    torch.testing.assert_close(refined(probabilities, even), probabilities)


def test_attention_moves_odds_by_half_itself():
    """(.5, .3 (.5 + 1), .2 (.5 + 0)) = (.5, .45, .1), over 1.05; and .35 (.5 + .7) is more than .4."""
    probabilities = torch.tensor([[0.5, 0.3, 0.2], [0.4, 0.35, 0.25]]).view(2, 3, 1, 1)
    attention = torch.tensor([[1.0, 0.0], [0.7, 0.1]]).view(2, 2, 1, 1)
    found = refined(probabilities, attention)[..., 0, 0]
    torch.testing.assert_close(found[0] * 1.05, torch.tensor([0.5, 0.45, 0.1]))
    assert found.argmax(1).tolist() == [0, 1]


def test_masks_are_those_of_a_cohort_with_so_few_labelled_patients():
    plain, cohort = tiny_cohort(labelled=5), replace(tiny_cohort(labelled=5), draw=1)
    patients = tuple(case.patient for case in cohort.labelled)
    for each in (plain, cohort):
        kept = {case.patient for case in with_masks_of(2, each).labelled}
        assert kept == set(Split(patients, (), ()).labelled(2, each.draw))
    assert kept != set(patients[:2])
    left = with_masks_of(2, cohort)
    assert [len(case.labels) for case in left.unlabelled] == [0] * 6
    assert {case.id for case in left.unlabelled} & {case.id for case in left.labelled} == set()
    with pytest.raises(ValueError, match="masks: expected fewer than the 5 labelled patients, got 5"):
        with_masks_of(5, replace(cohort, unlabelled=()))


def test_no_voxel_of_a_withheld_mask_changes_a_bit(tmp_path):
    """Patches hold whole slices, and all patients but two have their voxels moved inside each slice."""
    cohort = replace(tiny_cohort(3, 3, labelled=4, shape=(10, 9, 8), patch=12), unlabelled=())
    spoiled = [*cohort.labelled[:2], *map(poisoned, cohort.labelled[2:])]
    other = replace(cohort, labelled=tuple(spoiled), fingerprint="spoiled")
    assert not torch.equal(spoiled[-1].label, cohort.labelled[-1].label)
    runs = []
    for number, each in enumerate((cohort, other)):
        folder = tmp_path / str(number)
        twin = recipe(CollaborativeLearning, network=SMALL, spatial_dims=2, width=4, weight=0.0)
        runs.append([trained(twin, with_masks_of(2, each), folder / "twin")[0]])
        teachers = [runs[-1][0], ImageClassifier(task(3, 3).in_dimension(2), width=4)]
        for parameter in teachers[1].parameters():
            torch.nn.init.constant_(parameter, 0.01)
        runs[-1].append(trained(TARGET, each, folder / "all", teachers=teachers)[0])
    assert differing(runs[0][0], runs[1][0]) == differing(runs[0][1], runs[1][1]) == []


def test_it_is_for_a_cohort_in_which_all_are_labelled():
    everyone = replace(tiny_cohort(3, 3, labelled=3), unlabelled=())
    assert unfit(TARGET, everyone) == ""
    other = recipe(MeanTeacher, network=SMALL, spatial_dims=2)
    assert unfit(other, everyone).startswith("needs cases without labels")


def test_it_goes_on_from_what_was_learned_before(tmp_path):
    """With a rate of nearly nothing it is its twin with the same masks, and attends as its classifier."""
    target = recipe(CollaborativeLearning, network=SMALL, spatial_dims=2, width=4, rate=1e-9)
    cohort, store = tiny_cohort(3, 3, labelled=3), RunStore(tmp_path)
    run = fit(target, cohort, tiny_budget(), 0, store=store, progress=False)
    twin, classifier = (next(r for r in store.runs() if r.record.key == key) for key in run.record.bases)
    learner = run.learner()
    assert differing(learner.classifier, classifier.learner().places) == []
    for mine, its in zip(learner.network.parameters(), twin.learner().network.parameters(), strict=True):
        torch.testing.assert_close(mine, its, atol=1e-6, rtol=0)
    assert twin.record.recipe["arguments"]["weight"] == 0


def small() -> tuple[CollaborativeLearning, Batch]:
    learner = CollaborativeLearning(task(2), network=SMALL, width=4, adversarial=1.0).eval()
    learner.loss = lambda logits, label: logits.sum() * 0  # what is left is the game
    return learner, noise_batch(classes=2)._replace(unlabelled=noise_batch(seed=1).image)


def test_attention_decides_where_the_prediction_is_in_doubt():
    learner, batch = small()
    learner.classifier.attention = lambda image: torch.full_like(image, 0.9)
    image = batch.unlabelled
    doubt = torch.tensor([0.55, 0.45]).view(1, 2, 1, 1).expand(len(image), 2, *image.shape[2:])
    assert (learner.pseudo_masks(image, doubt) == 1).all()


def test_the_discriminator_is_shown_masks_on_their_own_images():
    learner, batch = small()
    image = batch.unlabelled
    predicted = learner.discriminator(beside(image, as_mask(learner.student(image))))
    true = learner.discriminator(beside(batch.image, one_hot(batch.label, 2)))
    found = learner.discriminator_losses(batch, 0)["told_apart"]
    torch.testing.assert_close(found, told_apart(true, predicted))
    loss = learner.consistency_loss(batch, 0)
    torch.testing.assert_close(loss, taken_for(predicted, True))
    loss.backward()
    assert any(weight.grad.any() for weight in learner.network.parameters())


def test_what_nobody_annotated_does_not_give_a_true_mask_away():
    learner, batch = small()
    blank = batch._replace(image=batch.unlabelled, label=torch.full_like(batch.label, IGNORE))
    found = learner.discriminator_losses(blank, 0)["told_apart"]
    answers = learner.discriminator(
        beside(blank.image, torch.zeros(len(blank.image), 2, *blank.image.shape[2:]))
    )
    torch.testing.assert_close(found, told_apart(answers, answers))


def test_masks_are_withheld_of_cases_on_disk_too():
    left = with_masks_of(2, load_cohort("virtual-brain", cases=12, mapped=True))
    assert left.unlabelled
    assert all(len(case.labels) == 0 and not case.anchors for case in left.unlabelled)


def test_attention_lies_on_what_it_saw():
    """A network that adds up what it sees, of one bright point: as much attention on either side of it."""
    places = PlaceScores(2, 1, 1, 1)
    for weight in places.parameters():
        weight.data.fill_(1.0 if weight.ndim > 1 else 0.0)
    places.scores.weight.data.fill_(1e-4)
    image = torch.zeros(1, 1, 64, 64)
    image[0, 0, 31:33, 31:33] = 1
    found = places.attention(image)[0, 0] - 0.5
    torch.testing.assert_close(found, found.flip(0).flip(1), atol=1e-6, rtol=0)
    assert found[31:33, 31:33].min() > 0


def test_where_nobody_annotated_anything_no_class_is_said_to_be_absent():
    classifier, batch = ImageClassifier(task(2, 3), width=4), noise_batch(classes=2)
    batch.label[1] = IGNORE
    other = batch._replace(image=torch.stack((batch.image[0], batch.image[1] + 1)))
    assert classifier.losses(batch, 0)["presence"] == classifier.losses(other, 0)["presence"]
