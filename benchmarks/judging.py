"""The cost of judging a case, method by method: predicting and scoring it, or sampling it and scoring that.

    python benchmarks/judging.py [--section 4] [--budget class] [--samples 16] [--cases 2] [--threads 1]

The methods are the configurations of sections 2 and 3 (judged by `Judge`) and 4 (by `SampleJudge`). They are
untrained, because weights do not change the amount of computation. But outlines of what an untrained network
predicts are far longer than those of a trained one, so for the distances the reference moved by a voxel
stands in. Cases are virtual. Seconds are the minimum over the cases.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from medseg_lab.data.batches import Batches
from medseg_lab.data.case import Case
from medseg_lab.data.cohort import Cohort, load_cohort
from medseg_lab.evaluation.judge import predictor, segmented
from medseg_lab.evaluation.metrics import score
from medseg_lab.evaluation.sample_judge import scores
from medseg_lab.evaluation.sampling import drawn
from medseg_lab.survey.configurations import configurations
from medseg_lab.survey.methods import method
from medseg_lab.training.budget import budget
from medseg_lab.training.device import hardware, lay_out, make_fabric
from medseg_lab.training.learner import Learner
from medseg_lab.training.notation import parse


def seconds(call: Callable[[], object]) -> float:
    """The duration of one call."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def predicted(learner: Learner, cohort: Cohort, case: Case) -> tuple[float, float]:
    """Seconds to predict a case, and to score its reference moved by a voxel."""
    label = case.label.numpy()
    moved = np.roll(label, 1, axis=0)
    return (
        seconds(lambda: list(segmented(predictor(learner, cohort), [case]))),
        seconds(lambda: score(moved, label, len(cohort.task.classes), case.spacing)),
    )


def sampled(learner: Learner, cohort: Cohort, case: Case, n: int) -> tuple[float, float]:
    """Seconds to sample a case, and to score the samples."""
    begin = time.perf_counter()
    (found,) = drawn(learner, cohort, [case], n)
    return time.perf_counter() - begin, seconds(lambda: scores(found, cohort.task))


def main() -> None:
    """Print a row for each method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--section", default="", help="only methods whose section starts so")
    parser.add_argument("--budget", default="class")
    for name, value in (("samples", 16), ("cases", 2), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    fabric = make_fabric()
    cohorts = {name: load_cohort(name, cases=6) for name in ("virtual-brain", "virtual-brain+raters")}
    table = Table("method", "patch", "predict or sample, s", "score, s", box=SIMPLE_HEAD)
    for one in configurations():
        section = method(one.method).section
        if not section.startswith(args.section):
            continue
        several = section.startswith("4")
        cohort = cohorts["virtual-brain+raters" if several else "virtual-brain"]
        learner: Learner = lay_out(parse(one.recipe).build(cohort.task).to(fabric.device)).eval()
        learner.patch = Batches(cohort, learner.task, 1, budget(args.budget).patch, fabric.device, 0).patch
        learner.precision = str(fabric.strategy.precision.precision)
        cases = cohort.validation[: args.cases]
        times = [
            sampled(learner, cohort, case, args.samples) if several else predicted(learner, cohort, case)
            for case in cases
        ]
        first, then = (min(column) for column in zip(*times, strict=True))
        table.add_row(one.name, "x".join(map(str, learner.patch)), f"{first:.3f}", f"{then:.3f}")
    shapes = ", ".join(f"{name} {tuple(c.validation[0].image.shape[1:])}" for name, c in cohorts.items())
    console = Console(width=110)
    console.print(f"{shapes}; {args.samples} samples in section 4; {hardware(fabric)}")
    console.print(table)


if __name__ == "__main__":
    main()
