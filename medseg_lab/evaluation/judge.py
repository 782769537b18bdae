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
from medseg_lab.evaluation.objects import object_f1
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
        has no scores: they are NaN. With all metrics there are three more columns: inner_dice, the Dice of
        the nested region (`Task.nested`) that begins with the class, NaN for the outermost; object_f1, the F1
        score of its objects (`medseg_lab.evaluation.objects`); and where the spacing is not known
        nsd_pixels, the normalised surface Dice with a tolerance of one pixel.
    """
    rows = []
    for case, prediction in segmented(predict, cases):
        if label_maps is not None:
            label_maps[case.id] = prediction
        label = case.label.cpu().numpy()
        scores = score(
            prediction, label, len(task.classes), case.spacing, metrics=metrics, tolerance=tolerance
        )
        more = (
            _further(prediction, label, task, case.spacing is None) if metrics is None else [{}] * len(scores)
        )
        reach = {} if case.spacing is None else {"diagonal": diagonal(label.shape, case.spacing)}
        for name, values, others in zip(task.foreground, scores, more, strict=True):
            row = {"case": case.id, "patient": case.patient, "class": name, **values, **reach}
            rows.append(row | others)
    return pd.DataFrame(rows)


def _further(
    prediction: LabelMap, label: LabelMap, task: Task, without_spacing: bool
) -> list[dict[str, float]]:
    """What is measured of each foreground class beside `metrics.score`."""
    k = len(task.classes)
    inner, objects = inner_dice(prediction, label, task.nested), object_f1(prediction, label, k)
    rows = [{"inner_dice": inner.get(i, np.nan), "object_f1": f1} for i, f1 in enumerate(objects, start=1)]
    if without_spacing:
        near = score(prediction, label, k, (1.0,) * label.ndim, metrics=("nsd",), tolerance=1.0)
        rows = [row | {"nsd_pixels": each["nsd"]} for row, each in zip(rows, near, strict=True)]
    return rows


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
        """The table of `evaluate` for cases of a cohort."""
        return evaluate(
            predictor(learner, cohort),
            with_references(learner, cases),
            cohort.task,
            tolerance=self.tolerance,
            label_maps=self.label_maps,
        )

    @staticmethod
    def cases(cohort: "Cohort", part: str) -> Sequence[Case]:
        """Those of a part; asking for "test" opens it, which the cohort records."""
        return cohort.open_test("judging a trained learner") if part == "test" else getattr(cohort, part)


def rarest_class(cases: Iterable[Case], task: Task) -> str:
    """The foreground class with the fewest voxels in all cases together, of those that occur at all."""
    counts = np.zeros(len(task.classes), dtype=int)
    for case in cases:
        # what is left open (`IGNORE`) is cut off: its value lies above all classes
        counts += np.bincount(case.label.cpu().numpy().ravel(), minlength=len(counts))[: len(counts)]
    found = dict(zip(task.foreground, counts[1:], strict=True))
    return min(found, key=lambda name: found[name] or np.inf)
