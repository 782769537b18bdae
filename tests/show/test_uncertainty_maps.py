"""Maps of uncertainty: what they show is what was sampled, and the errors are where they are."""

from dataclasses import replace
from math import log

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.sampling import Drawn, judged_voxels
from medseg_lab.show.disagreement import disagreement_window
from medseg_lab.show.uncertainty_maps import LEAST, LOOKS, in_words, show_uncertainty_maps
from medseg_lab.uncertainty.measures.entropy_split import entropy_split
from tests.show.drawn_cases import drawn, flat_case, square, sure
from tests.show.legible import assert_legible

TASK = Task(1, ("background", "nodule"), 2)
SMALL, LARGE = square(10, 15), square(10, 20)
CASE = flat_case([SMALL, LARGE, LARGE])
TENTH = -(0.9 * log(0.9) + 0.1 * log(0.1))
"""Nats of probabilities .9 and .1."""


def rows(fig, number: int) -> np.ndarray:
    """The panels, above the bars."""
    return np.array(fig.axes[: 4 * number], dtype=object).reshape(number, 4)


def value(ax) -> np.ndarray:
    return np.asarray(ax.images[1].get_array())


def headings(fig, number: int) -> list[str]:
    return [row[0].texts[0].get_text() for row in rows(fig, number)]


def extent(lines) -> tuple[float, float]:
    """The first and the last column that an outline surrounds."""
    across = np.concatenate([path.vertices[:, 0] for path in lines.get_paths()]) - 1  # the mask is padded
    return float(across.min()), float(across.max())


def test_the_maps_are_total_expected_and_mutual_information():
    """Where the two samples differ, their mean is a half, and each is sure at 9 to 1."""
    fig = show_uncertainty_maps({"a": drawn(CASE, SMALL, LARGE)}, TASK)
    place = disagreement_window(CASE, [LARGE])
    differ = place.of((SMALL != LARGE).numpy())
    _, total, expected, information = rows(fig, 2)[1]
    np.testing.assert_allclose(value(total), np.where(differ, log(2), TENTH), rtol=1e-5)
    np.testing.assert_allclose(value(expected), TENTH, rtol=1e-5)
    np.testing.assert_allclose(value(information), np.where(differ, log(2) - TENTH, 0), atol=1e-6)
    assert [ax.get_title() for ax in rows(fig, 2)[0]] == [
        "",
        "total entropy",
        "expected entropy",
        "mutual information",
    ]


def test_above_stands_the_entropy_of_the_votes():
    """One of three raters marked less: where they differ, the votes are 1 to 2."""
    fig = show_uncertainty_maps({"a": drawn(CASE, LARGE)}, TASK)
    top = rows(fig, 2)[0]
    differ = disagreement_window(CASE, [LARGE]).of((SMALL != LARGE).numpy())
    votes = -(log(1 / 3) / 3 + 2 * log(2 / 3) / 3)
    np.testing.assert_allclose(value(top[1]), np.where(differ, votes, 0), atol=1e-6)
    assert not any(ax.images[0].get_visible() for ax in top[2:])
    assert headings(fig, 2)[0] == "votes of 3 raters"


def test_where_the_truth_is_known_its_entropy_stands_above():
    case = replace(CASE, distribution=sure(LARGE, p=0.9))
    fig = show_uncertainty_maps({"a": drawn(case, LARGE)}, TASK)
    np.testing.assert_allclose(value(rows(fig, 2)[0, 1]), TENTH, rtol=1e-5)
    assert headings(fig, 2)[0] == "the truth, p*(y | x)"


def test_a_single_rater_has_no_votes():
    fig = show_uncertainty_maps({"a": drawn(flat_case([SMALL]), LARGE)}, TASK)
    assert len(fig.axes) == 8
    assert headings(fig, 1)[0].startswith("a: Dice")
    # the heading of the row needs the room of the titles, so the scales say what is shown
    assert [ax.get_title().strip() for ax in fig.axes[1:4]] == ["", "", ""]
    bars = [ax.get_xlabel().split("\n")[0] for ax in fig.axes[5:8]]
    assert bars == ["total entropy", "expected entropy", "mutual information"]


def test_the_same_entropy_has_the_same_colour_in_all_rows():
    methods = {"a": drawn(CASE, SMALL, LARGE), "b": drawn(CASE, LARGE, p=0.6)}
    scales = [
        [ax.images[1].get_clim() for ax in row[1:3]]
        for row in rows(show_uncertainty_maps(methods, TASK), 3)[1:]
    ]
    assert scales == [[(0, log(2))] * 2] * 2


def test_mutual_information_has_a_scale_of_its_own_alike_in_all_rows():
    methods = {"a": drawn(CASE, SMALL, LARGE), "b": drawn(CASE, LARGE)}
    scales = {row[3].images[1].get_clim() for row in rows(show_uncertainty_maps(methods, TASK), 3)[1:]}
    ((low, high),) = scales
    assert low == 0
    assert high == pytest.approx(log(2) - TENTH, rel=1e-5)


def test_next_to_no_mutual_information_looks_like_none():
    fig = show_uncertainty_maps({"a": drawn(CASE, LARGE)}, TASK)
    assert rows(fig, 2)[1, 3].images[1].get_clim() == (0, LEAST)


def test_consensus_and_prediction_are_outlined_on_the_image_and_errors_on_the_maps():
    fig = show_uncertainty_maps({"a": drawn(CASE, SMALL)}, TASK)
    (_, columns) = disagreement_window(CASE, [SMALL]).box
    start = columns.start
    above, below = rows(fig, 2)
    assert [len(ax.collections) for ax in above] == [1, 0, 0, 0]
    assert [len(ax.collections) for ax in below] == [2, 1, 1, 1]
    consensus, prediction = below[0].collections
    assert extent(consensus) == extent(above[0].collections[0]) == (10 - start - 0.5, 20 - start - 0.5)
    assert extent(prediction) == (10 - start - 0.5, 15 - start - 0.5)
    assert extent(below[1].collections[0]) == (10 - start - 0.5, 20 - start - 0.5)
    assert below[1].get_xlim() == (-0.5, columns.stop - start - 0.5)  # the whole window
    from matplotlib.colors import to_hex

    drawn_in = [
        to_hex(lines.get_edgecolor()[0]).upper() for lines in (*below[0].collections, below[1].collections[0])
    ]
    assert drawn_in == [LOOKS[name][0] for name in ("consensus", "prediction", "prediction is wrong")]
    assert [text.get_text() for text in fig.legends[0].get_texts()] == list(LOOKS)


def test_a_prediction_like_the_consensus_has_no_errors():
    fig = show_uncertainty_maps({"a": drawn(CASE, LARGE)}, TASK)
    assert not rows(fig, 2)[1, 1].collections
    assert headings(fig, 2)[1] == "a: Dice 1.00, no errors, 0% mutual information"


def test_the_heading_says_dice_auroc_and_the_share_of_mutual_information():
    generator = torch.Generator().manual_seed(3)
    samples = torch.rand((5, 2, 40, 40), generator=generator)
    samples[:, :, 30:] = torch.tensor([0.2, 0.8])[:, None, None]  # of one mind and wrong, far from the nodule
    one = Drawn(CASE, samples / samples.sum(dim=1, keepdim=True))
    split, near = entropy_split(one.samples), np.zeros((40, 40), bool)
    near[2:28, 2:28] = True  # 8 voxels around 10 to 20
    predicted, truth = one.prediction.numpy(), LARGE.numpy()
    dice = 2 * (predicted & truth).sum() / (predicted.sum() + truth.sum())
    area = roc_auc_score((predicted != truth)[near], split.total.numpy()[near])
    share = split.mutual_information.numpy()[near].sum() / split.total.numpy()[near].sum()
    said = in_words(one, split, TASK)
    assert share > 0.1
    assert round(area, 2) != round(roc_auc_score((predicted != truth).ravel(), split.total.ravel()), 2)
    assert round(share, 2) != round(float(split.mutual_information.sum() / split.total.sum()), 2)
    assert said == f"Dice {dice:.2f}, errors found with AUROC {area:.2f}, {share:.0%} mutual information"
    fig = show_uncertainty_maps({"noise": one}, TASK)
    assert headings(fig, 2)[1] == f"noise: {said}"
    assert fig.get_label().endswith(f"Votes of 3 raters. Noise: {said}.")


def test_judged_is_what_all_raters_labelled_near_their_marks_within_a_slice():
    labels = torch.zeros(2, 40, 40, 5, dtype=torch.uint8)
    labels[0, 10:20, 10:20, 2] = 1
    labels[1, 15, 15, 2] = IGNORE
    wanted = np.zeros((40, 40, 5), bool)
    wanted[2:28, 2:28, 2] = True
    wanted[15, 15, 2] = False
    case = Case("v", "v", torch.zeros(1, 40, 40, 5), labels, None)
    np.testing.assert_array_equal(judged_voxels(case), wanted)
    turned = replace(case, image=case.image.movedim(-1, 1), labels=labels.movedim(-1, 1))
    np.testing.assert_array_equal(judged_voxels(turned, 0), np.moveaxis(wanted, -1, 0))


def test_what_nobody_labelled_is_neither_consensus_nor_error():
    open_ = SMALL.clone()
    open_[:, 30:] = IGNORE
    case = flat_case([open_, open_])
    fig = show_uncertainty_maps({"a": drawn(case, SMALL)}, TASK)
    above, below = rows(fig, 2)
    assert len(above[0].collections) == 1
    assert extent(above[0].collections[0])[1] < 30 - disagreement_window(case, [SMALL]).box[1].start - 0.5
    assert not below[1].collections


def volume(classes: int) -> tuple[Case, Drawn]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, classes, (4, 24, 30, 3), generator=generator).to(torch.uint8)
    case = Case("v", "v", torch.rand((1, 24, 30, 3), generator=generator), labels, (1.0, 1.0, 2.0))
    return case, drawn(case, *labels, n_classes=classes)


def test_the_maps_of_a_volume_are_upright():
    case, one = volume(3)
    fig = show_uncertainty_maps({"a": one}, Task(1, ("background", "a", "b"), 3))
    place = disagreement_window(case, [one.prediction])
    wanted = np.rot90(place.of(entropy_split(one.samples).total.numpy()))
    np.testing.assert_array_equal(value(rows(fig, 2)[1, 1]), wanted)
    assert rows(fig, 2)[1, 1].images[1].get_clim() == (0, log(3))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("number", [1, 6])
def test_no_words_are_cut_off_or_cover_each_other(number):
    _, one = volume(4)
    names = ["heteroscedastic noise with a very long name", "U-Net", "MC dropout", "PHiSeg", "b", "c"]
    task = Task(1, ("background", "CSF", "grey matter", "white matter"), 3)
    assert_legible(show_uncertainty_maps(dict.fromkeys(names[:number], one), task))
    assert_legible(show_uncertainty_maps({names[0]: drawn(CASE, SMALL)}, TASK))


def test_several_cases_are_refused():
    other = flat_case([SMALL], "two")
    with pytest.raises(ValueError, match="cases: expected one and the same for all methods, got one, two"):
        show_uncertainty_maps({"a": drawn(CASE, SMALL), "b": drawn(other, SMALL)}, TASK)
