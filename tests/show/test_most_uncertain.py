"""The voxels above the quantile, and the most uncertain cases."""

from math import log

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.sampling import Drawn
from medseg_lab.losses.entropy import entropy
from medseg_lab.show.disagreement import disagreement_window
from medseg_lab.show.most_uncertain import (
    FOUND,
    POSSIBLE,
    case_uncertainty,
    most_uncertain_cases,
    most_uncertain_voxels,
)
from medseg_lab.show.uncertainty_maps import LOOKS
from medseg_lab.uncertainty.measures.entropy_split import entropy_split
from tests.show.drawn_cases import drawn, flat_case, square, sure
from tests.show.legible import assert_legible

TASK = Task(1, ("background", "nodule"), 2)
SMALL, LARGE = square(10, 15), square(10, 20)
TENTH = -(0.9 * log(0.9) + 0.1 * log(0.1))


def noise(case: Case, seed: int = 0, n: int = 3, classes: int = 2) -> Drawn:
    """Samples that are as uncertain nowhere as elsewhere."""
    generator = torch.Generator().manual_seed(seed)
    samples = torch.rand((n, classes, *case.label.shape), generator=generator)
    return Drawn(case, samples / samples.sum(dim=1, keepdim=True))


def masks(fig) -> dict[str, np.ndarray]:
    """What is painted on the last panel, by its colour's name."""
    found = [np.asarray(image.get_array()) for image in fig.axes[2].images[1:]]
    return {name: pixels[..., 3] == 1 for name, pixels in zip(FOUND, found, strict=True)}


@pytest.mark.parametrize(("share", "count"), [(0.01, 16), (0.25, 400)])
def test_so_many_of_the_most_uncertain_voxels_are_painted(share, count):
    """Of 1600."""
    case = flat_case([square(0, 40)])  # so that the window is the image
    one = noise(case)
    painted = masks(most_uncertain_voxels({"a": one}, TASK, method="a", share=share))
    shown = painted["selected, wrong"] | painted["selected, right"]
    total = entropy(one.mean[None])[0].numpy()
    np.testing.assert_array_equal(shown, total >= np.sort(total.ravel())[-count])
    wrong = one.prediction.numpy() != 1
    np.testing.assert_array_equal(painted["selected, wrong"], shown & wrong)
    np.testing.assert_array_equal(painted["wrong, not selected"], wrong & ~shown)
    np.testing.assert_array_equal(painted["selected, right"], shown & ~wrong)


def test_the_title_says_what_share_is_shown_and_what_share_of_the_errors_that_holds():
    case = flat_case([square(0, 40)])
    one = noise(case)
    fig = most_uncertain_voxels({"net": one}, TASK, method="net", share=0.25)
    painted = masks(fig)
    caught, missed = painted["selected, wrong"].sum(), painted["wrong, not selected"].sum()
    said = f"the most uncertain 25% of the voxels contain {caught / (caught + missed):.0%} of the errors"
    assert fig._suptitle.get_text() == f"net: {said}"
    assert fig.get_label() == f"Case one, net, by total entropy: {said}."


def test_a_share_is_of_the_whole_case_and_not_of_its_window():
    """25 voxels of 1600 are uncertain, in a window of 32 x 32: 16 of them are one in a hundred."""
    samples = sure(torch.zeros(40, 40, dtype=torch.uint8), p=0.99)
    p = torch.linspace(0.55, 0.8, 25).reshape(5, 5)
    samples[0, 10:15, 10:15], samples[1, 10:15, 10:15] = p, 1 - p
    case = flat_case([SMALL])
    fig = most_uncertain_voxels({"a": Drawn(case, samples[None])}, TASK, method="a", share=0.01)
    painted = masks(fig)
    assert painted["selected, wrong"].shape == (32, 32)
    assert painted["selected, wrong"].sum() == 16
    assert "the most uncertain 1% of the voxels contain 64% of the errors" in fig.get_label()


def test_of_voxels_that_are_equally_uncertain_none_is_picked():
    fig = most_uncertain_voxels({"a": drawn(flat_case([LARGE]), LARGE)}, TASK, method="a", share=0.5)
    assert not any(mask.any() for mask in masks(fig).values())
    assert "0% of the voxels contain no errors" in fig.get_label()


def test_what_nobody_labelled_is_neither_counted_nor_shown():
    open_ = torch.zeros(40, 40, dtype=torch.uint8)
    open_[:20] = IGNORE
    open_[20:, 39] = 1
    case = flat_case([open_])
    one = noise(case)
    fig = most_uncertain_voxels({"a": one}, TASK, method="a", share=0.25)
    rows, columns = disagreement_window(case, [one.prediction]).box
    shown = masks(fig)["selected, wrong"] | masks(fig)["selected, right"]
    assert (rows, columns) == (slice(0, 40), slice(0, 40))
    assert not shown[:20].any()
    assert shown.sum() == 200  # a quarter of 800


@pytest.mark.parametrize("kind", ["total", "expected", "mutual_information"])
def test_voxels_are_shown_by_the_uncertainty_that_is_asked_for(kind):
    case = flat_case([square(0, 40)])
    one = noise(case)
    fig = most_uncertain_voxels({"a": one}, TASK, method="a", share=0.1, kind=kind)
    found = getattr(entropy_split(one.samples), kind).numpy()
    shown = masks(fig)["selected, wrong"] | masks(fig)["selected, right"]
    np.testing.assert_array_equal(shown, found >= np.sort(found.ravel())[-160])
    np.testing.assert_allclose(fig.axes[1].images[1].get_array(), found)
    assert fig.axes[1].get_title() == kind.replace("_", " ") + ("" if "_" in kind else " entropy")
    (bar,) = fig.axes[1].child_axes
    assert bar.lines[-1].get_ydata()[0] == pytest.approx(np.quantile(found, 0.9))


def test_the_method_asked_for_is_shown_at_the_place_of_all():
    case = flat_case([LARGE])
    methods = {"a": drawn(case, SMALL), "b": drawn(case, square(10, 38))}
    place = disagreement_window(case, [one.prediction for one in methods.values()])
    for name, one in methods.items():
        fig = most_uncertain_voxels(methods, TASK, method=name, share=0.1)
        assert fig.axes[0].images[0].get_array().shape == place.of(LARGE.numpy()).shape
        missed = place.of(one.prediction.numpy() != LARGE.numpy())
        np.testing.assert_array_equal(masks(fig)["wrong, not selected"], missed)


def test_the_colours_of_the_legend_are_those_painted():
    case = flat_case([square(0, 40)])
    fig = most_uncertain_voxels({"a": noise(case)}, TASK, method="a", share=0.1)
    texts = [text.get_text() for text in fig.legends[0].get_texts() if text.get_text().strip()]
    assert set(texts) == {"consensus", "prediction", *FOUND}
    legend = {one.get_label(): to_rgb(one.get_facecolor()[:3]) for one in fig.legends[0].get_patches()}
    for image, name in zip(fig.axes[2].images[1:], FOUND, strict=True):
        pixels = np.asarray(image.get_array())
        np.testing.assert_allclose(pixels[pixels[..., 3] == 1][0, :3], to_rgb(FOUND[name]))
        assert legend[name] == to_rgb(FOUND[name])


def test_wrong_requests_are_refused():
    methods = {"a": drawn(flat_case([LARGE]), LARGE)}
    with pytest.raises(ValueError, match="method: expected one of a, got 'b'"):
        most_uncertain_voxels(methods, TASK, method="b", share=0.1)
    with pytest.raises(
        ValueError, match="kind: expected one of total, expected, mutual_information, got 'epistemic'"
    ):
        most_uncertain_voxels(methods, TASK, method="a", share=0.1, kind="epistemic")
    for share in (0, 1):
        with pytest.raises(ValueError, match=f"share: expected a number above 0 and below 1, got {share}"):
            most_uncertain_voxels(methods, TASK, method="a", share=share)


def test_uncertainty_is_the_mean_entropy_where_an_object_is_possible():
    """A nodule at 9 to 1 with a border at 1 to 1, in a background that is nearly sure."""
    samples = sure(LARGE)[None].clone()
    samples[0, 1, LARGE == 0] = POSSIBLE - 0.01
    samples[0, 1, 10, 10:20] = 0.5
    samples[0, 0] = 1 - samples[0, 1]
    assert case_uncertainty(Drawn(flat_case([LARGE]), samples)) == pytest.approx(
        (90 * TENTH + 10 * log(2)) / 100, rel=1e-5
    )


def test_uncertainty_is_of_the_mean_of_the_samples():
    case = flat_case([LARGE])
    wanted = (25 * TENTH + 75 * log(2)) / 100
    samples = torch.stack([sure(SMALL, p=0.9), sure(LARGE, p=0.9)])
    samples[:, 0, LARGE == 0], samples[:, 1, LARGE == 0] = 1.0, 0.0
    assert case_uncertainty(Drawn(case, samples)) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("p", [0.6, 0.9])
def test_a_larger_object_is_not_more_uncertain_for_its_size(p):
    def of(label: torch.Tensor) -> float:
        samples = torch.where(label == 1, sure(label, p=p), sure(label, p=0.99))
        return case_uncertainty(Drawn(flat_case([label]), samples[None]))

    assert of(square(10, 12)) == pytest.approx(of(square(0, 40)), rel=1e-5)


def test_where_no_object_is_possible_there_is_no_uncertainty():
    nothing = torch.zeros(40, 40, dtype=torch.uint8)
    assert case_uncertainty(drawn(flat_case([LARGE]), nothing, p=0.99)) == 0


def several() -> list[Drawn]:
    """Uncertain in the order two, one, three; with Dice 0.4, 1 and 1."""
    cases = [flat_case([LARGE], name) for name in ("one", "two", "three")]
    labels, sureness = (LARGE, SMALL, LARGE), (0.7, 0.6, 0.99)
    return [drawn(case, label, p=p) for case, label, p in zip(cases, labels, sureness, strict=True)]


def panel_titles(fig) -> list[str]:
    return [ax.get_title() for ax in fig.axes if ax.get_title()]


def test_the_most_uncertain_cases_are_shown_in_order():
    cases = several()
    fig = most_uncertain_cases(cases, TASK, n=2)
    found = [case_uncertainty(one) for one in cases]
    assert found[1] > found[0] > found[2]
    assert panel_titles(fig) == [f"entropy {found[1]:.2f}, Dice 0.40", f"entropy {found[0]:.2f}, Dice 1.00"]
    assert fig._suptitle.get_text() == "the most uncertain 2 of 3 cases: mean Dice 0.70; of the other 1: 1.00"
    assert fig.get_label() == (
        "The most uncertain 2 of 3 cases: mean Dice 0.70; of the other 1: 1.00. "
        f"two (entropy {found[1]:.2f}, Dice 0.40), one (entropy {found[0]:.2f}, Dice 1.00)."
    )


def test_each_case_stands_above_its_entropy_with_its_errors():
    cases = several()
    fig = most_uncertain_cases(cases, TASK, n=2)
    (first, second, blank), below = fig.axes[:3], fig.axes[3:6]
    assert not blank.axison
    assert [len(ax.collections) for ax in (first, second)] == [2, 2]
    assert [len(ax.collections) for ax in below[:2]] == [1, 0]  # nothing wrong in the second
    for ax, one in zip(below, (cases[1], cases[0]), strict=False):
        box = disagreement_window(one.case, [one.prediction]).box
        values = entropy(one.mean[None])[0].numpy()[box]
        np.testing.assert_allclose(ax.images[1].get_array(), values)
        assert ax.images[1].get_clim() == (0, log(2))
    assert [text.get_text() for text in fig.legends[0].get_texts()] == list(LOOKS)


def test_all_cases_are_shown_where_there_are_no_more():
    fig = most_uncertain_cases(several()[:1], TASK)
    assert fig._suptitle.get_text() == "the most uncertain 1 of 1 case: mean Dice 1.00"


def test_no_cases_and_too_many_columns_are_refused():
    with pytest.raises(ValueError, match="cases: expected one or more, got none"):
        most_uncertain_cases([], TASK)
    for n in (0, 7):
        with pytest.raises(ValueError, match=f"n: expected 1 to 6 cases, got {n}"):
            most_uncertain_cases(several(), TASK, n)
    bare = Case("bare", "b", torch.zeros(1, 40, 40), torch.zeros(0, 40, 40, dtype=torch.uint8), None)
    with pytest.raises(ValueError, match="case bare: expected one reading or more, got none"):
        most_uncertain_cases([drawn(bare, LARGE)], TASK)


def volume() -> Drawn:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (2, 24, 30, 3), generator=generator).to(torch.uint8)
    return noise(Case("v", "v", torch.rand(1, 24, 30, 3), labels, (1.0, 1.0, 2.0)), classes=4)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n", [1, 4, 6])
def test_no_words_of_the_cases_are_cut_off_or_cover_each_other(n):
    assert_legible(most_uncertain_cases(several() * 3, TASK, n))
    task = Task(1, ("background", "CSF", "grey matter", "white matter"), 3)
    assert_legible(most_uncertain_cases([volume()] * 6, task, n))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["total", "mutual_information"])
def test_no_words_of_the_voxels_are_cut_off_or_cover_each_other(kind):
    name = "heteroscedastic noise with a very long name"
    fig = most_uncertain_voxels({name: noise(flat_case([LARGE]))}, TASK, method=name, share=0.123, kind=kind)
    assert_legible(fig)
    task = Task(1, ("background", "CSF", "grey matter", "white matter"), 3)
    assert_legible(most_uncertain_voxels({name: volume()}, task, method=name, share=0.123, kind=kind))
