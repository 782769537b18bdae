"""A second observer, scored against the first as if he were a method: how well people agree."""

from collections.abc import Iterable

import pandas as pd
from torch import Tensor
from torch.nn import functional as F

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.judge import evaluate
from medseg_lab.evaluation.thin_vessels import thin_recall


def second_observer(
    cases: Iterable[Case], task: Task, *, width: float, part: str = "test", seeds: int = 1, rater: int = 1
) -> pd.DataFrame:
    """The table that a judge gives for a method, of a rater against the reference (the first rater).

    It stands in a comparison beside methods: `compare(runs | {"second observer": second_observer(...)})`.
    A person has no seeds; the rows are repeated for as many as the methods have.

    Args:
        cases: with two raters or more.
        task: names the classes.
        width: in pixels: vessels up to so wide are thin (`medseg_lab.evaluation.thin_vessels`).
        part: what the cases are.
        seeds: how many trainings the methods have.
        rater: which is scored; the first has the number 0.

    Returns:
        Columns as of `evaluate`, with `part`, `seed` and `thin_recall`.

    Raises:
        ValueError: for a case without such a rater.
    """
    tables = []
    for case in cases:
        if len(case.labels) <= rater:
            raise ValueError(f"case {case.id}: expected {rater + 1} raters or more, got {len(case.labels)}")
        drawn = case.labels[rater]
        one_hot = F.one_hot(drawn.long(), len(task.classes)).movedim(-1, 0)

        def predict(image: Tensor, said: Tensor = one_hot) -> Tensor:
            return said

        wanted = case.label.cpu().numpy()
        recalls = [thin_recall(drawn.cpu().numpy(), wanted, k, width) for k in range(1, len(task.classes))]
        tables.append(evaluate(predict, [case], task).assign(thin_recall=recalls))
    once = pd.concat(tables, ignore_index=True)
    once.insert(0, "part", part)
    return pd.concat([once.assign(seed=seed) for seed in range(seeds)], ignore_index=True)
