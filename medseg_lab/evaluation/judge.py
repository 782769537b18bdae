"""Score a predictor on cases: one row a case and class."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.metrics import diagonal, inner_dice, score
from medseg_lab.training.label_maps import LabelMap, LabelMaps

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort
    from medseg_lab.training.run import Run
    from medseg_lab.training.segmenter import Segmenter

PARTS = ("validation", "test", "labelled")
Predictor = Callable[[Tensor], Tensor]


def evaluate(
    predict: Predictor,
    cases: Iterable[Case],
    task: Task,
    *,
    metrics: Sequence[str] | None = None,
    tolerance: float = 1.0,
    label_maps: LabelMaps | None = None,
) -> pd.DataFrame:
    """Score a predictor on cases.

    Args:
        predict: takes an image `(C, *S)`, gives class probabilities `(K, *S)`.
        cases: with their reference labels.
        task: names the classes.
        metrics: which of `medseg_lab.evaluation.metrics.METRICS`; None means all that the spacing allows.
        tolerance: millimetres, for the normalised surface Dice.
        label_maps: keeps what is predicted.

    Returns:
        A row for each case and foreground class, with columns case, patient, class, dice, iou, precision, and
        where the spacing is known hd95, assd, nsd and diagonal (the image's, in mm: what an infinite distance
        counts as in a mean; see `medseg_lab.evaluation.metrics`). A class that is neither there nor predicted
        has no scores: they are NaN. With all metrics there is inner_dice, too: the Dice of the nested region
        (`Task.nested`) that begins with the class, NaN for the outermost.
    """
    rows = []
    for case, prediction in segmented(predict, cases):
        if label_maps is not None:
            label_maps[case.id] = prediction
        label = case.label.cpu().numpy()
        scores = score(
            prediction, label, len(task.classes), case.spacing, metrics=metrics, tolerance=tolerance
        )
        inner = inner_dice(prediction, label, task.nested) if metrics is None else {}
        reach = {} if case.spacing is None else {"diagonal": diagonal(label.shape, case.spacing)}
        for k, values in enumerate(scores, start=1):
            row = {"case": case.id, "patient": case.patient, "class": task.classes[k], **values, **reach}
            rows.append(row | ({"inner_dice": inner.get(k, np.nan)} if metrics is None else {}))
    return pd.DataFrame(rows)


def segmented(predict: Predictor, cases: Iterable[Case]) -> Iterator[tuple[Case, LabelMap]]:
    """Each case with its predicted classes `(*S)`: the most probable one, voxel by voxel."""
    for case in cases:
        with torch.no_grad():
            yield case, predict(case.image).argmax(dim=0).to("cpu", torch.uint8).numpy()


def predictor(learner: "Segmenter", cohort: "Cohort") -> Predictor:
    """The learner as a function of whole images: by sliding window, slice by slice where it works in 2D."""
    from medseg_lab.inference.predict import predict_case

    patch, slice_axis = learner.patch or cohort.patch, cohort.card.preprocessing.slice_axis
    return lambda image: predict_case(learner, image, patch, slice_axis)


def segmentations(run: "Run", cohort: "Cohort", cases: Sequence[Case]) -> dict[str, LabelMap]:
    """A run's segmentations by case id, for pictures: as they were judged, else predicted now.

    Args:
        run: a finished run.
        cohort: the run's, or another one of the same held-out cases.
        cases: of the cohort.

    Returns:
        Classes `(*S)`, uint8.
    """
    kept = run.segmentations(cases) if run.record.cohort.held_out == cohort.held_out else {}
    if other := [case for case in cases if case.id not in kept]:
        learner = run.learner()
        found = segmented(predictor(learner, cohort), with_references(learner, other))
        kept = kept | {case.id: label_map for case, label_map in found}
    return kept


def with_references(learner: "Segmenter", cases: Iterable[Case]) -> Iterator[Case]:
    """The cases; before each is taken, the learner gets its reference (`Segmenter.take_reference`)."""
    for case in cases:
        learner.take_reference(case.label)
        yield case


class Judge:
    """Scores a trained learner on parts of its cohort; as a recipe, it is part of a run's key.

    Args:
        parts: of "validation", "test", "labelled". Asking for "test" opens the sealed part, which the cohort
            records.
        tolerance: millimetres, for the normalised surface Dice.

    Attributes:
        label_maps: of the cases that it judged.

    Raises:
        ValueError: for an unknown part.
    """

    def __init__(self, parts: Sequence[str] = ("validation",), tolerance: float = 1.0) -> None:
        unknown = [part for part in parts if part not in PARTS]
        if unknown or not parts:
            raise ValueError(f"parts: expected some of {', '.join(PARTS)}, got {list(parts)}")
        self.parts = tuple(parts)
        self.tolerance = tolerance
        self.label_maps = LabelMaps()

    def __call__(self, learner: "Segmenter", cohort: "Cohort") -> pd.DataFrame:
        """`table` of each part, with a first column `part`, and a last one `rarest_dice`.

        That is the Dice of the class with the fewest voxels (`rarest_class`), and empty for the others.
        """
        tables = []
        for part in self.parts:
            table = self.table(learner, cohort, self.cases(cohort, part))
            table.insert(0, "part", part)
            tables.append(table)
        table = pd.concat(tables, ignore_index=True)
        rarest = rarest_class(cohort.labelled, cohort.task)
        return table.assign(rarest_dice=table["dice"].where(table["class"] == rarest))

    def table(self, learner: "Segmenter", cohort: "Cohort", cases: Sequence[Case]) -> pd.DataFrame:
        """The table of `evaluate` for cases of a cohort.

        Post-processing adds a column for each number of its `activity()`.
        """
        predict, notes = _noting(learner, predictor(learner, cohort))
        table = evaluate(
            predict,
            with_references(learner, cases),
            cohort.task,
            tolerance=self.tolerance,
            label_maps=self.label_maps,
        )
        return table.assign(**{name: torch.cat(found).tolist() for name, found in notes.items()})

    @staticmethod
    def cases(cohort: "Cohort", part: str) -> Sequence[Case]:
        """Those of a part; asking for "test" opens it, which the cohort records."""
        return cohort.open_test("judging a trained learner") if part == "test" else getattr(cohort, part)


def _noting(learner: "Segmenter", predict: Predictor) -> tuple[Predictor, dict[str, list[Tensor]]]:
    """The same predictor, and what post-processing says that it did to each case, `(K-1,)`, by name."""
    notes: dict[str, list[Tensor]] = {}

    def noted(image: Tensor) -> Tensor:
        found = predict(image)
        for name, number in getattr(learner, "activity", dict)().items():
            notes.setdefault(name, []).append(number.cpu())
        return found

    return noted, notes


def rarest_class(cases: Iterable[Case], task: Task) -> str:
    """The foreground class with the fewest voxels in all cases together, of those that occur at all."""
    counts = np.zeros(len(task.classes), dtype=int)
    for case in cases:
        # what is left open (`IGNORE`) is cut off: its value lies above all classes
        counts += np.bincount(case.label.cpu().numpy().ravel(), minlength=len(counts))[: len(counts)]
    found = dict(zip(task.foreground, counts[1:], strict=True))
    return min(found, key=lambda name: found[name] or np.inf)
