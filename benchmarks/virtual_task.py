"""Is a threshold enough for `virtual-brain`? Multi-level Otsu against the 2D U-Net on held-out subjects.

Otsu gets the true brain mask and the order of the tissues' intensities, and computes two thresholds for each
subject. The U-Net gets neither, and is trained with the budget `class`. Both are scored by the same function
on the test part. Run: `python benchmarks/virtual_task.py [--budget class] [--cases 50]`.
"""

import argparse
import tempfile

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from medseg_lab.data.case import Case
from medseg_lab.data.cohort import load_cohort
from medseg_lab.evaluation.judge import Judge, evaluate
from medseg_lab.networks.unet import UNet
from medseg_lab.training.budget import budget
from medseg_lab.training.fit import fit
from medseg_lab.training.recipe import recipe
from medseg_lab.training.runs import RunStore
from medseg_lab.training.supervised import Supervised


def otsu(case: Case) -> torch.Tensor:
    """One-hot tissue classes `(K, *S)` of a case, from two thresholds inside its true brain mask."""
    from skimage.filters import threshold_multiotsu

    brain = case.label.numpy() > 0
    values = case.image[0].numpy()
    levels = threshold_multiotsu(values[brain], classes=3)
    tissue = np.where(brain, 1 + np.digitize(values, levels), 0)
    return torch.nn.functional.one_hot(torch.from_numpy(tissue), 4).movedim(-1, 0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--budget", default="class")
    parser.add_argument("--cases", type=int, default=None)
    args = parser.parse_args()
    cohort = load_cohort("virtual-brain", cases=args.cases)
    test = cohort.open_test("benchmark: Otsu against the 2D U-Net")
    by_image = {id(case.image): case for case in test}
    rows = {"Otsu in the true brain mask": evaluate(lambda x: otsu(by_image[id(x)]), test, cohort.task)}
    with tempfile.TemporaryDirectory() as folder:
        learner = recipe(Supervised, network=recipe(UNet), spatial_dims=2)
        judge = recipe(Judge, parts=["test"])
        run = fit(learner, cohort, budget(args.budget), 0, store=RunStore(folder), judge=judge)
        rows[f"2D U-Net, {args.budget}, one seed"] = run.cases
    table = Table(title=f"Dice on {len(test)} held-out virtual subjects (mean, worst subject)")
    for column in ("method", *cohort.task.foreground, "mean", "worst"):
        table.add_column(column)
    for name, frame in rows.items():
        classes = frame.groupby("class")["dice"].mean()
        cells = [f"{classes[c]:.3f}" for c in cohort.task.foreground]
        worst = frame.groupby("case")["dice"].mean().min()
        table.add_row(name, *cells, f"{frame['dice'].mean():.3f}", f"{worst:.3f}")
    Console().print(table)
    threshold, network = (frame["dice"].mean() for frame in rows.values())
    Console().print(f"The U-Net is better by {network - threshold:.3f} (goal: at least 0.10).")


if __name__ == "__main__":
    main()
