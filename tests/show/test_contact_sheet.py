"""A contact sheet shows cases evenly chosen, what was marked on them, and whether they are real."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from medseg_lab.data.card import Preprocessing
from medseg_lab.data.case import IGNORE
from medseg_lab.data.catalogue import load_card
from medseg_lab.data.readers.reader import Raw
from medseg_lab.show.contact_sheet import contact_sheet, evenly
from medseg_lab.show.contours import is_marked, middle
from medseg_lab.show.figure import described, png
from medseg_lab.show.sheet import beside, close_up, look_at

CARD = load_card("msd-hippocampus")
VOLUME = CARD.model_copy(update={"preprocessing": Preprocessing(patch=(8, 8, 8))})


def flat(**change):
    """The card with images of two dimensions."""
    how = Preprocessing(patch=(8, 8))
    return CARD.model_copy(update={"spatial_dims": 2, "preprocessing": how, **change})


@dataclass
class Stub:
    """Images of noise with a square of each class."""

    n: int
    shape: tuple[int, ...]
    channels: int = 1
    raters: int = 1
    edge: int = 6
    asked: list[tuple[str, str]] = field(default_factory=list)

    def patients(self):
        return {f"case_{i:03d}": f"case_{i:03d}" for i in range(self.n)}

    def read(self, case, annotation="dense"):
        self.asked.append((case, annotation))
        rng = np.random.default_rng(int(case[-3:]))
        image = rng.normal(size=(self.channels, *self.shape)).astype(np.float32)
        rest = IGNORE if annotation == "scribble" else 0
        labels = np.full((self.raters, *self.shape), rest, np.uint8)
        for r in range(self.raters):
            for k in (1, 2):
                start = 2 + r + (k - 1) * self.edge
                labels[r, start : start + self.edge, start : start + self.edge] = k
        return Raw(case, case, image, labels, None)


def pictures(fig):
    """The panels that hold an image."""
    return [ax for ax in fig.axes if ax.images]


def test_cases_are_spread_evenly_over_the_sorted_ids():
    names = [f"{i:02d}" for i in reversed(range(23))]
    assert evenly(names, 12) == [f"{i:02d}" for i in range(0, 23, 2)]
    assert evenly(names[:3], 12) == ["20", "21", "22"]


def test_a_dozen_cases_with_an_outline_per_class():
    fig = contact_sheet(VOLUME, Stub(30, (20, 20, 20)))
    panels = pictures(fig)
    assert len(panels) == 12
    assert all(len(ax.collections) == 2 for ax in panels)
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["anterior", "posterior"]
    assert fig.get_suptitle() == "msd-hippocampus: 12 of 30 cases, evenly spread over their names"
    said = described(fig)
    assert "12 of 30 cases" in said
    assert "anterior, posterior" in said
    assert "case_000" in said
    assert "case_029" in said


def test_virtual_subjects_are_called_virtual():
    card = VOLUME.model_copy(update={"virtual": load_card("virtual-brain").virtual})
    fig = contact_sheet(card, Stub(3, (20, 20, 20)))
    assert "VIRTUAL subjects, no real data" in fig.get_suptitle()
    assert "virtual subjects" in described(fig)


def test_every_rater_has_an_outline_and_a_name():
    card = flat(raters=3, classes=("background", "thing"))
    fig = contact_sheet(card, Stub(4, (20, 20), raters=3))
    assert all(len(ax.collections) == 3 for ax in pictures(fig))
    colours = {tuple(line.get_edgecolor()[0]) for line in pictures(fig)[0].collections}
    patterns = {str(line.get_linestyle()) for line in pictures(fig)[0].collections}
    assert len(colours) == len(patterns) == 3
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["rater 1", "rater 2", "rater 3"]


def test_scribbles_are_filled_and_what_nobody_annotated_is_not():
    stub = Stub(2, (20, 20))
    fig = contact_sheet(flat(annotation="scribble"), stub)
    assert {annotation for _, annotation in stub.asked} == {"scribble"}
    panel = pictures(fig)[0]
    assert not panel.collections
    over = [(image.get_array()[..., 3] > 0).sum() for image in panel.images[1:]]
    assert over == [0, 6 * 6, 6 * 6]
    assert "marks of the scribbles" in described(fig)


def test_red_green_and_blue_are_shown_in_colour():
    card = flat(modality=("red", "green", "blue"))
    panels = pictures(contact_sheet(card, Stub(2, (20, 20), channels=3)))
    assert [ax.images[0].get_array().shape for ax in panels] == [(20, 20, 3)] * 2


def test_a_colour_is_shown_as_it_was_taken():
    raw = Raw("a", "a", np.full((3, 4, 4), 51, np.float32), np.ones((1, 4, 4), np.uint8), None)
    assert look_at(raw, flat(modality=("red", "green", "blue"))).image == pytest.approx(0.2)


def test_other_channels_are_rows_and_the_last_row_is_marked():
    card = flat(modality=("FLAIR", "T1", "T2"))
    fig = contact_sheet(card, Stub(9, (20, 20), channels=3))
    grid = np.array([len(ax.collections) for ax in pictures(fig)]).reshape(4, 4)
    assert (grid[:3] == 0).all()
    assert (grid[3] == 2).all()
    assert all(ax.images[0].get_array().ndim == 2 for ax in pictures(fig))


def test_small_marks_are_framed_and_shown_from_near():
    fig = contact_sheet(flat(), Stub(3, (100, 100)))
    whole, near = pictures(fig)[:3], pictures(fig)[3:]
    assert all(len(ax.patches) == 1 and not ax.collections for ax in whole)
    assert all(len(ax.collections) == 2 for ax in near)
    # marks reach from pixel 2 to 13: the part holds them
    (low, high) = near[0].get_xlim()
    assert low <= 2
    assert 13 <= high < 40
    assert "from near" in described(fig)


def test_a_large_image_is_shown_from_near_where_most_is_marked():
    label = np.zeros((1, 700, 700), np.uint8)
    label[0, ::50, :] = 1
    label[0, 400:500, 500:600] = 1
    sheet = look_at(Raw("a", "a", np.zeros((1, 700, 700), np.float32), label, None), flat())
    rows, columns = close_up(sheet)
    assert rows.start <= 400
    assert rows.stop >= 500
    assert columns.start <= 500
    assert columns.stop >= 600


def test_of_crowded_outlines_the_part_is_shown_in_which_readings_differ():
    labels = np.ones((2, 90, 90), np.uint8)
    labels[1, 60:70, 20:30] = 2
    sheet = look_at(Raw("a", "a", np.zeros((1, 90, 90), np.float32), labels, None), flat(raters=2))
    assert close_up(sheet) is None
    rows, columns = close_up(sheet, crowded=True)
    assert (rows.stop - rows.start, columns.stop - columns.start) == (30, 30)
    assert rows.start <= 60 < 70 <= rows.stop
    assert columns.start <= 20 < 30 <= columns.stop


def test_the_cut_goes_through_the_middle_of_what_is_marked():
    labels = np.zeros((2, 4, 4, 10), np.uint8)
    labels[0, 1, 1, 3], labels[1, 1, 1, 7] = 1, 1
    labels[0, 0, 0, 9] = IGNORE
    assert middle(is_marked(labels).any(axis=0), 2) == 7
    assert middle(is_marked(labels[0]), 2) == 3
    assert middle(np.zeros((4, 4, 10), bool), 2) == 5


def test_the_same_cases_give_the_same_bytes():
    once, again = (png(contact_sheet(VOLUME, Stub(3, (20, 20, 20)))) for _ in range(2))
    assert once == again


def test_rows_beside_one_another_hold_as_many_images():
    sheets = [look_at(Stub(3, (8, 8)).read(f"case_00{i}"), flat()) for i in range(3)]
    fig = beside({"real": sheets, "virtual": sheets}, "Three and three.", ["a", "b", "c"])
    assert len(pictures(fig)) == 6
    assert described(fig) == "Three and three."
    with pytest.raises(
        ValueError, match=r"rows: expected as many images in each row, at least one, got \[2, 3\]"
    ):
        beside({"real": sheets, "virtual": sheets[:2]}, "x")
