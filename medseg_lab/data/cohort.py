"""The cases of one data set after one preprocessing and one split."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from pathlib import Path
from statistics import median

from medseg_lab.data import prepared, splits
from medseg_lab.data.about import about
from medseg_lab.data.card import Card
from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.choose import Chosen, choose
from medseg_lab.data.fingerprint import fingerprint, refuse_duplicates
from medseg_lab.data.loading import Loader
from medseg_lab.data.mapped import MappedCase
from medseg_lab.data.task import Task
from medseg_lab.data.wording import some


@dataclass(eq=False)
class Cohort:
    """Cases by part. The test part stays sealed until `open_test`.

    Args:
        labelled: training cases with labels.
        unlabelled: training cases whose labels are withheld: their `labels` are `(0, *S)`.
        validation: cases to choose by, never to report on.
        fingerprint: SHA-256 of the prepared cases and how they are split; see `load_cohort`.
        total: cases of the whole data set.
        sealed: gives the test cases.
        held_out: the same of the validation and test cases alone: cohorts with the same one differ in their
            training cases only, so that results on them can be paired.
        notes: which data set was replaced by another, and why.
        openings: the reasons for which the test part was opened, in order.
        draw: which patients' labels are used; see `load_cohort`.
        thinned: of how many voxels along each axis one was kept (`medseg_lab.data.coarser`); empty for all.
    """

    card: Card
    labelled: tuple[Case, ...]
    unlabelled: tuple[Case, ...]
    validation: tuple[Case, ...]
    fingerprint: str
    total: int
    test_size: int
    sealed: Callable[[], tuple[Case, ...]]
    held_out: str = ""
    notes: tuple[str, ...] = ()
    openings: list[str] = field(default_factory=list)
    draw: int = 0
    thinned: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        """The data set's id."""
        return self.card.id

    @property
    def task(self) -> Task:
        """The problem that the data set poses, in its own dimension."""
        how, spacings = self.card.preprocessing, [case.spacing for case in (*self.labelled, *self.unlabelled)]
        known = [spacing for spacing in spacings if spacing is not None]
        return Task(
            len(self.card.modality),
            self.card.classes,
            self.card.spatial_dims,
            self.card.order,
            how.slice_axis,
            how.mirror,
            tuple(map(median, zip(*known, strict=True))) if len(known) == len(spacings) else (),
            how.patch,
            how.slice_patch or (),
        )

    @property
    def patch(self) -> tuple[int, ...]:
        """The largest patch that training may take."""
        return self.card.preprocessing.patch

    @property
    def is_virtual(self) -> bool:
        """Whether the cases are simulated."""
        return self.card.reader == "virtual"

    def open_test(self, reason: str) -> tuple[Case, ...]:
        """The test cases; the reason is kept in `openings`.

        Raises:
            ValueError: if no reason is given.
        """
        if not reason.strip():
            raise ValueError(
                "test: the reason for opening it is empty; give one, such as 'final table of 2.1.1'"
            )
        self.openings.append(reason)
        return self.sealed()

    def describe(self) -> str:
        """Which data this is, how much of it, and what it replaces."""
        used = len(self.labelled) + len(self.unlabelled) + len(self.validation) + self.test_size
        capped = f" (capped: the data set has {self.total})" if used < self.total else ""
        kind = "VIRTUAL subjects, no real data. " if self.is_virtual else ""
        parts = (
            f"{used} cases{capped}: {len(self.labelled)} labelled, {len(self.unlabelled)} unlabelled, "
            f"{len(self.validation)} validation, {self.test_size} test (sealed)."
        )
        lines = [f"{self.id}: {kind}{self.card.title}.", *self.notes, parts, *self._on_disk()]
        return "\n".join([*lines, f"Licence: {self.card.licence}.", f"Fingerprint {self.fingerprint[:12]}."])

    def _on_disk(self) -> list[str]:
        """Where the cases are, if not in memory, and the size of those that are not sealed."""
        cases = (*self.labelled, *self.unlabelled, *self.validation)
        size = sum(case.nbytes for case in cases if isinstance(case, MappedCase))
        folder = str(prepared.folder()).replace(str(Path.home()), "~", 1)
        amount = f"{size / 1e9:.1f} GB" if size > 1e8 else f"{size / 1e6:.1f} MB"
        return [f"Prepared on disk: {amount} in {folder}."] if size else []


def load_cohort(
    dataset: str = "auto",
    *,
    cases: int | None = None,
    labelled: int | None = None,
    draw: int = 0,
    split_seed: int = 0,
    mapped: bool | None = None,
    prefer: tuple[str, ...] = ("msd-hippocampus",),
) -> Cohort:
    """The cohort of a data set.

    Its fingerprint is about its cases: the task, the split, the patch, slices and mirrored axes, and of each
    case the content after preprocessing. Whatever files, code or wording made them, the same cases have the
    same fingerprint, in memory and on disk, and one other voxel changes it. Labels that are withheld do not
    count. So the test cases are prepared here, too: only their content shows whether an edit of a reader or
    of the preprocessing changed them. They stay sealed, and `openings` does not list this.

    Args:
        dataset: a card's id, with or without variants (`virtual-brain+lesion`); a path to a folder in the
            nnU-Net / MSD layout; or `auto`, the first of `prefer` that is available, else the embedded
            virtual subjects, which `describe` then says.
        cases: at most so many cases in all parts together, but those of enough patients for every part to
            have one; None for all.
        labelled: training patients whose labels may be used; None for all.
        draw: which these are: 0, or another number for another draw. The parts stay what they are.
        split_seed: which split; the same on every machine.
        mapped: whether cases are prepared on disk and patches read from there, to the same bits; None for
            where they would take too large a share of the memory, which `describe` then says.

    Raises:
        ValueError: if the data set is unknown or not available; naming the data set, if a file is
            inconsistent, there are too few patients, two have the same image, or a case whose labels are
            used has none.
        RuntimeError: if there is no room to prepare them on disk.
    """
    for name, number in (
        ("cases", cases),
        ("labelled", labelled),
        ("draw", draw),
        ("split_seed", split_seed),
    ):
        if not (isinstance(number, int) or (number is None and name in ("cases", "labelled"))):
            raise ValueError(f"{name}: expected a whole number, got {number!r}")
    chosen = choose(dataset, prefer)
    with about(chosen.card.id):
        return _loaded(chosen, cases, labelled, draw, split_seed, mapped)


def _loaded(
    chosen: Chosen,
    cases: int | None,
    labelled: int | None,
    draw: int,
    split_seed: int,
    mapped: bool | None,
) -> Cohort:
    """The cohort of an available data set; arguments as of `load_cohort`."""
    card, source = chosen.card, chosen.reader
    whose = source.patients()
    order = _capped(splits.shuffled(whose.values(), split_seed), whose, cases, splits.fewest(card.parts))
    split = splits.split(order, card.parts)
    with_labels = set(split.labelled(labelled, draw))
    position = {patient: i for i, patient in enumerate(order)}

    def members(patients: tuple[str, ...]) -> list[str]:
        chosen = set(patients)
        return sorted((c for c, p in whose.items() if p in chosen), key=lambda c: (position[whose[c]], c))

    parts = {
        "labelled": members(split.labelled(labelled, draw)),
        "unlabelled": members(tuple(p for p in split.train if p not in with_labels)),
        "validation": members(split.validation),
        "test": members(split.test),
    }
    used = [case for names in parts.values() for case in names]
    loader = Loader(card, source, whose)
    if mapped or (mapped is None and loader.exceeds_memory(used)):
        loader = loader.onto_disk()
    loaded = {
        "labelled": loader.load(parts["labelled"], card.annotation),
        "unlabelled": loader.load(parts["unlabelled"], withheld=True),
        "validation": loader.load(parts["validation"]),
        "test": loader.load(parts["test"]),
    }
    digests = {part: [digest for _, digest in found] for part, found in loaded.items()}
    refuse_duplicates(digest for found in digests.values() for digest in found)
    _refuse_open([case for part in ("labelled", "validation", "test") for case, _ in loaded[part]])
    labelled_cases, unlabelled, validation, test = (tuple(c for c, _ in found) for found in loaded.values())
    return Cohort(
        card=card,
        labelled=labelled_cases,
        unlabelled=unlabelled,
        validation=validation,
        fingerprint=fingerprint(card, digests),
        held_out=fingerprint(card, {part: digests[part] for part in ("validation", "test")}),
        total=len(whose),
        test_size=len(test),
        sealed=partial(tuple, test),
        notes=chosen.notes,
        draw=draw,
    )


def _refuse_open(cases: list[Case]) -> None:
    """Check that each case has a voxel that somebody labelled: there is nothing to learn or score in others.

    Raises:
        ValueError: naming the cases.
    """
    found = [case.id for case in cases if _is_open(case)]
    if found:
        raise ValueError(
            f"no voxel is annotated (all are `ignore`) in {some(found)}: expected labels in each case "
            "whose labels are used"
        )


def _is_open(case: Case) -> bool:
    """Whether the reference labels no voxel; the first plane in which it does ends the search."""
    readings = case.open_labels() if isinstance(case, MappedCase) else case.labels
    assert readings is not None
    return all(bool((plane == IGNORE).all()) for plane in readings[0])


def _capped(order: tuple[str, ...], whose: dict[str, str], cases: int | None, fewest: int) -> tuple[str, ...]:
    """As many of the first patients as have at most `cases` cases together; at least `fewest` of them."""
    if cases is None:
        return order
    counts = Counter(whose.values())
    totals = accumulate(counts[patient] for patient in order)
    return order[: max(fewest, sum(total <= cases for total in totals))]
