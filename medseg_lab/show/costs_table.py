"""What networks cost, in one table: parameters, operations, seconds and memory of a training step."""

from collections.abc import Mapping, Sequence

import numpy as np

from medseg_lab.show.cost import short
from medseg_lab.show.page import show
from medseg_lab.show.table import rows_html
from medseg_lab.training.learner import Learner
from medseg_lab.training.run import Run
from medseg_lab.training.segmenter import Segmenter
from medseg_lab.training.step_memory import step_memory

HEADS = ("method", "parameters", "FLOPs a voxel", "seconds a step", "MB a step")
CAPTION = (
    "All of a training step, forward and backward. Counted: the parameters; the floating point operations "
    "for each voxel (pixel in 2D) that the step sees, of convolutions and matrix products; and the memory "
    "that the step holds: weights, gradients, the optimiser's state, and what is kept for the backward pass. "
    "Clocked: the seconds, mean over the trainings, on the machine that trained them ({machines}), which may "
    "have had other work."
)
JOINED = (
    " Where a method rests on trained networks, operations and seconds are those of all their trainings "
    "together, and memory is that of the largest."
)


def cost_table(runs: Mapping[str, Sequence[Run]]) -> None:
    """Display a row for each method: parameters, FLOPs a voxel, seconds a step, memory of a step.

    The memory is counted (`training.step_memory`) and not read off the process: several trainings share a
    worker, whose high-water mark is that of the largest so far. Of a learner that reads images without labels
    it is not counted.

    Args:
        runs: a method's name to its runs.

    Raises:
        ValueError: if a method has no run.
    """
    show(*costs_page(runs))


def costs_page(runs: Mapping[str, Sequence[Run]]) -> tuple[str, str]:
    """The markup of `cost_table`, and its plain text."""
    if missing := [name for name, found in runs.items() if not found]:
        raise ValueError(f"runs: expected one or more of each method, got none of {', '.join(missing)}")
    rows = [[name, *_costs(found)] for name, found in runs.items()]
    every = [run.record for found in runs.values() for run in found]
    caption = CAPTION.format(machines="; ".join(dict.fromkeys(str(record.hardware) for record in every)))
    if any(record.bases for record in every):
        caption += JOINED
    table = [list(HEADS), *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in table]
    return rows_html(HEADS, rows, caption), "\n".join([*(line.rstrip() for line in lines), caption])


def _costs(runs: Sequence[Run]) -> list[str]:
    record = runs[0].record
    seconds = float(np.mean([run.record.seconds / run.record.budget.steps for run in runs]))
    taken = memory(runs[0])
    return [
        f"{record.parameters:,}",
        short(record.step_flops / record.seen),
        _digits(seconds),
        "not counted" if taken is None else _digits(taken / 1e6),
    ]


def _digits(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def memory(run: Run) -> int | None:
    """Bytes of a training step of the run; None where it is not counted."""
    shape = (run.record.batch_size, run.record.task.channels, *run.record.patch)
    found = [
        step_memory(learner, shape) for learner in _trained(run.learner()) if not learner.wants_unlabelled
    ]
    return max(found, default=None)


def _trained(learner: Segmenter) -> list[Learner]:
    """The learners that were trained, of one that may change or join others."""
    if isinstance(learner, Learner):
        return [learner]
    inside = getattr(learner, "learners", None) or [getattr(learner, "learner", None)]
    return [each for one in inside if isinstance(one, Segmenter) for each in _trained(one)]
