"""Data sets are measured case by case, and the cards state what the files say."""

import threading
import time
from dataclasses import dataclass, field

import numpy as np
import pytest

from medseg_lab.data.case import IGNORE
from medseg_lab.data.catalogue import known_cards, load_card
from medseg_lab.data.choose import choose
from medseg_lab.data.describe import class_shares, measure, part_sizes, parts
from medseg_lab.data.readers.reader import Raw

CARD = load_card("msd-hippocampus")
MEASURED = [name for name in known_cards() if load_card(name).measured]


@dataclass
class Stub:
    """Cases of one row of voxels each, as `labels` says."""

    labels: dict[str, list[list[int]]]
    spacing: tuple[float, ...] | None = (1.0,)
    inside: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    channels = 1

    def patients(self):
        return {case: case.partition("_")[0] for case in self.labels}

    def read(self, case, annotation="dense"):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        labels = np.array(self.labels[case], np.uint8)
        time.sleep(0.002)
        with self.lock:
            self.inside -= 1
        return Raw(case, case, np.zeros((1, *labels.shape[1:]), np.float32), labels, self.spacing)


def test_shares_are_means_over_cases_each_counting_alike():
    found = measure(Stub({"a_1": [[0, 0, 1, 2]], "a_2": [[0, 0, 0, 0, 0, 0, 0, 1]], "b_1": [[0, 2]]}), CARD)
    assert (found.cases, found.patients) == (3, 2)
    assert found.shape == ((2,), (4,), (8,))
    shares = {"background": (4 + 7 + 4) / 24, "anterior": (2 + 1) / 24, "posterior": (2 + 4) / 24}
    assert found.shares == pytest.approx(shares, rel=1e-3)


def test_raters_count_alike_and_unknown_voxels_not_at_all():
    raters = [[0, 0, 1, 1], [0, 1, 1, IGNORE], [IGNORE] * 4]
    found = class_shares(Raw("a", "a", np.zeros((1, 4)), np.array(raters, np.uint8), None), 3)
    assert found == pytest.approx([(1 / 2 + 1 / 3) / 2, (1 / 2 + 2 / 3) / 2, 0])


def test_a_case_that_nobody_annotated_changes_no_share():
    found = measure(Stub({"a": [[0, 1]], "b": [[IGNORE, IGNORE]]}), CARD)
    assert found.shares["anterior"] == 0.5


def test_a_spacing_that_some_files_lack_is_not_stated():
    assert measure(Stub({"a": [[0, 1]]}, spacing=None), CARD).spacing is None
    assert measure(Stub({"a": [[0, 1]]}), CARD).spacing == ((1,), (1,), (1,))


def test_few_cases_are_read_at_once_and_each_is_told():
    stub, told = Stub({f"{i}": [[0, 1]] for i in range(40)}), []
    measure(stub, CARD, done=told.append)
    assert 1 < stub.most <= 4
    assert sorted(told) == sorted(stub.labels)


def test_part_sizes_are_those_of_the_split():
    whose = {f"p{i}_{j}": f"p{i}" for i in range(20) for j in range(2)}
    sizes = part_sizes(CARD, whose)
    assert sizes == {"train": (14, 28), "validation": (2, 4), "test": (4, 8)}
    assert {name: n for name, (n, _) in part_sizes(CARD, 20).items()} == {
        name: n for name, (n, _) in sizes.items()
    }


def test_a_variant_does_not_inherit_what_was_counted():
    assert load_card("virtual-brain").measured is not None
    assert load_card("virtual-brain+lesion").measured is None


def test_cases_of_a_part_are_not_guessed_where_patients_have_several():
    assert [row[2] for row in parts(load_card("lidc-4rater"))] == ["?", "?", "?"]
    assert [row[2] for row in parts(CARD)] == ["182", "26", "52"]


@pytest.mark.parametrize("dataset", [name for name in MEASURED if name != "virtual-brain"])
def test_the_card_states_what_the_files_say(dataset, root, monkeypatch):
    shared = root.parent / "shared" / "data"
    if not (shared / dataset).is_dir():
        pytest.skip(f"{dataset} is not in {shared.parent.name}/{shared.name}")
    monkeypatch.setenv("MEDSEG_DATA", str(shared))
    card = load_card(dataset)
    assert measure(choose(dataset).reader, card, card.measured.sources) == card.measured


def test_the_virtual_card_states_what_is_generated():
    chosen = choose("virtual-brain")
    stated, whose = chosen.card.measured, chosen.reader.patients()
    assert (stated.cases, stated.patients) == (len(whose), len(set(whose.values())))
    raws = [chosen.reader.read(name) for name in list(whose)[:2]]
    assert {raw.image.shape[1:] for raw in raws} == {stated.shape[0]} == {stated.shape[2]}
    assert {raw.spacing for raw in raws} == {stated.spacing[1]}
    mean = np.mean([class_shares(raw, 4) for raw in raws], axis=0)
    assert mean == pytest.approx(list(stated.shares.values()), rel=0.3)


@pytest.mark.parametrize("dataset", MEASURED)
def test_stated_shares_are_of_the_cards_classes_and_sum_to_one(dataset):
    card = load_card(dataset)
    assert tuple(card.measured.shares) == card.classes
    assert sum(card.measured.shares.values()) == pytest.approx(1, abs=1e-3)
    assert len(card.measured.shape[0]) == card.spatial_dims
