"""Pseudo-labels are held against the truth round by round, on arrays small enough to count by hand."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from toys import task

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.show.pseudo_labels import (
    ANEW,
    MENDED,
    STAYED,
    errors_by_round,
    label_errors,
    outcome,
    pseudo_label_quality,
    quality_by_round,
)
from tests.show.legible import assert_legible

SIDE = 16


@dataclass
class Chain:
    """The last of several rounds; each has its pseudo-labels by case."""

    made: list[dict[str, np.ndarray]]
    record: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(seed=0))

    def rounds(self):
        return [SimpleNamespace(pseudo_labels=lambda cases, of=of: of) for of in ({}, *self.made)]


def case(shape=(SIDE, SIDE), name="a") -> Case:
    """A square of 8 x 8 in class 1; of a volume, a cube."""
    label = np.zeros(shape, dtype=np.uint8)
    label[(slice(4, 12),) * len(shape)] = 1
    image = torch.rand((1, *shape), generator=torch.Generator().manual_seed(0))
    return Case(name, name, image, torch.from_numpy(label)[None], (1.0,) * len(shape))


def two_rounds(of: Case) -> Chain:
    """First two voxels are missed and two are not labelled; then one is mended, and three are added."""
    first = of.label.numpy().copy()
    middle = (8,) * (first.ndim - 2)
    first[(*middle, 4, 4)] = first[(*middle, 4, 5)] = 0
    first[(*middle, 0, 0)] = first[(*middle, 0, 1)] = IGNORE
    second = of.label.numpy().copy()
    second[(*middle, 4, 4)] = 0
    second[(*middle, 2, slice(2, 5))] = 1
    return Chain([{of.id: first}, {of.id: second}])


def test_a_voxel_is_wrong_from_the_first_or_anew_or_mended_or_without_a_label():
    reference = np.array([1, 1, 1, 0, 1, IGNORE, 1])
    first = np.array([0, 0, 1, 0, IGNORE, 0, 0])
    later = np.array([0, 1, 0, 0, 0, 0, IGNORE])
    assert outcome(later, first, reference).tolist() == [1, 3, 2, 0, 2, 0, 4]


def test_quality_counts_errors_that_stayed_and_labels_that_are_there():
    of = case()
    table = pseudo_label_quality({"A": [two_rounds(of)]}, [of], task(2))
    first, second = table.to_dict("records")
    assert (first["round"], first["wrong"], first["stayed"], first["first"]) == (1, 2, 2, 2)
    assert (second["round"], second["wrong"], second["stayed"], second["first"]) == (2, 4, 1, 2)
    assert first["labelled"] == pytest.approx(1 - 2 / SIDE**2)
    assert first["a"] == pytest.approx(2 * 62 / (62 + 64))
    assert second["a"] == pytest.approx(2 * 63 / (63 + 3 + 64))


def test_dice_is_that_of_the_voxels_with_a_pseudo_label():
    of = case()
    half = of.label.numpy().copy()
    half[:, :8] = IGNORE  # half of the square; what is left is right
    table = pseudo_label_quality({"A": [Chain([{"a": half}])]}, [of, case(name="without")], task(2))
    assert table[["case", "a", "wrong"]].values.tolist() == [["a", 1.0, 0]]
    nothing = np.full_like(half, IGNORE)
    none = pseudo_label_quality({"A": [Chain([{"a": nothing}])]}, [of], task(2))
    assert np.isnan(none["a"]).all()


@pytest.mark.filterwarnings("error")
def test_the_curves_are_the_numbers_and_can_be_read():
    of = case()
    runs = {"Self-training": [two_rounds(of)], "Self-training, confident voxels": [two_rounds(of)]}
    fig = quality_by_round(pseudo_label_quality(runs, [of], task(2)), task(2))
    dice, kept, errors = fig.axes
    assert list(dice.lines[0].get_ydata()) == pytest.approx([124 / 126, 126 / 130])
    assert list(kept.lines[0].get_ydata()) == pytest.approx([1 - 2 / 256, 1])
    assert [list(line.get_ydata()) for line in errors.lines[:2]] == [[1, 2], [1, 0.5]]
    assert "wrong voxels over those of the first round 1.000, 2.000" in fig.get_label()
    assert_legible(fig)
    one = quality_by_round(pseudo_label_quality({"A": [two_rounds(of)]}, [of], task(2, 2)), task(2, 2))
    assert [text.get_text() for text in one.legends[0].get_texts()] == ["a"]
    with pytest.raises(ValueError, match="expected rounds with pseudo-labels, got none"):
        quality_by_round(pseudo_label_quality({}, [of], task(2)), task(2))


@pytest.mark.parametrize("shape", [(SIDE, SIDE), (SIDE, SIDE, SIDE)])
def test_pictures_paint_what_is_wrong_and_since_when(shape):
    of = case(shape)
    fig = label_errors(two_rounds(of), {"as it is": of}, task(len(shape)), slice_axis=0)
    reference, first, second = fig.axes
    assert [count(second, colour) for colour in (STAYED, ANEW, MENDED)] == [1, 3, 1]
    assert [count(first, colour) for colour in (STAYED, ANEW, MENDED)] == [2, 0, 0]
    assert second.get_title() == "round 2\n4 wrong\n3 anew"
    assert not reference.images[1:]
    assert "case a, round 2: 4 wrong, 3 anew" in fig.get_label()
    assert_legible(fig)


def test_the_explorer_draws_each_case_in_each_round():
    of = case()
    draw, grid = errors_by_round(two_rounds(of), {"as it is": of}, task(2))
    assert grid == {"case": ["as it is"], "round": [1, 2]}
    fig = draw("as it is", 2)
    assert fig.axes[-1].get_title() == "round 2: 4 wrong, 3 anew"
    assert_legible(fig)
    with pytest.raises(ValueError, match="those with pseudo-labels in each round, got b"):
        errors_by_round(two_rounds(of), {"another": case(name="b")}, task(2))


def count(ax, colour) -> int:
    """Pixels of a colour that are painted over the image."""
    layers = [np.asarray(image.get_array()) for image in ax.images[1:]]
    return sum(
        int((np.isclose(one[..., :3], to_rgb(colour)).all(-1) & (one[..., 3] > 0)).sum()) for one in layers
    )
