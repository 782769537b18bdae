"""The cost of every measure of section 4, compared with other libraries that compute the same.

    python benchmarks/uncertainty_measures.py [--cases 100] [--shape 128 128] [--classes 2]
                                              [--samples 16] [--raters 4] [--peers 5] [--threads 1]

Samples are blurred noise, so that their masks are connected and overlap. All cases are measured; the other
libraries get the first few. A measure and its peer alternate on one case: `factor` is the median over these
pairs of the peer's seconds over those of the measure. The two must give the same value; a difference is
marked with "!". Peers:

- ged: the definition, pair by pair, with scikit-learn's `jaccard_score`; and with MONAI's `compute_iou`, one
  call for each of the three blocks of pairs;
- error_auroc: scikit-learn's `roc_auc_score`;
- rater_ncc: SciPy's `pearsonr`;
- ece: MONAI's `CalibrationErrorMetric`;
- brier, nll: scikit-learn's `brier_score_loss` and `log_loss`;
- entropy_split: SciPy's `entropy`;
- error_retention: NumPy's `argsort` and `cumsum`, which is right only without ties.

Matched IoU has no peer. `argmax` is the time to turn the samples into segmentations, from which GED and
matched IoU are computed.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import scipy.stats
import torch
from monai.metrics import CalibrationErrorMetric, compute_iou
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from sklearn.metrics import brier_score_loss, jaccard_score, log_loss, roc_auc_score
from torch import Tensor

from medseg_lab.training.device import hardware, make_fabric
from medseg_lab.uncertainty.measures.calibration import brier, negative_log_likelihood, reliability
from medseg_lab.uncertainty.measures.energy_distance import energy_distance, matched_iou
from medseg_lab.uncertainty.measures.entropy_split import entropy_split
from medseg_lab.uncertainty.measures.error_detection import error_auroc, error_retention
from medseg_lab.uncertainty.measures.readings import label_variance, rater_correlation, shares

BLUR = 9
AGREE = 1e-4


class Drawing:
    """Samples and readings of one case, and the inputs of every measure."""

    def __init__(self, seed: int, shape: tuple[int, ...], classes: int, n: int, raters: int) -> None:
        source = torch.Generator().manual_seed(seed)
        shared, own, read = (
            blurred(torch.randn(count, classes, *shape, generator=source)) for count in (1, n, raters)
        )
        shared[:, 0] += 0.5  # more background than other classes
        self.classes = classes
        self.samples = (8 * (shared + 0.5 * own)).softmax(dim=1)
        self.readings = as_labels(shared + 0.5 * read)
        self.segmented = as_labels(self.samples)
        self.mean = self.samples.mean(dim=0)
        self.uncertainty = entropy_split(self.samples).total
        self.wrong = self.mean.argmax(dim=0) != self.readings[0]


def blurred(noise: Tensor) -> Tensor:
    """Noise `(N, K, *S)` of unit variance, smooth along the first two axes."""
    planes = noise.flatten(0, 1).flatten(3).movedim(-1, 0) if noise.ndim > 4 else noise.flatten(0, 1)[None]
    smooth = torch.nn.functional.avg_pool2d(planes, BLUR, stride=1, padding=BLUR // 2) * BLUR
    return (smooth.movedim(0, -1) if noise.ndim > 4 else smooth[0]).reshape(noise.shape)


def as_labels(scores: Tensor) -> Tensor:
    return scores.max(dim=1).indices.to(torch.uint8)


MEASURES: dict[str, Callable[[Drawing], object]] = {
    "entropy_split": lambda d: entropy_split(d.samples).mutual_information.mean(),
    "ged": lambda d: energy_distance(d.segmented, d.readings, d.classes)[0],
    "matched_iou": lambda d: matched_iou(d.segmented, d.readings, d.classes)[0],
    "rater_ncc": lambda d: rater_correlation(d.samples, d.readings),
    "ece": lambda d: reliability(d.mean, d.readings).ece,
    "brier": lambda d: brier(d.mean, d.readings),
    "nll": lambda d: negative_log_likelihood(d.mean, d.readings),
    "error_auroc": lambda d: error_auroc(d.uncertainty, d.wrong),
    "error_retention": lambda d: error_retention(d.uncertainty, d.wrong).area,
}


def ged_by_loops(iou: Callable[[Tensor, Tensor], float], d: Drawing) -> float:
    """Computed for all foreground classes, as the measure does; the first is returned."""
    found = []
    for k in range(1, d.classes):
        samples, readings = (each.flatten(1) == k for each in (d.segmented, d.readings))
        across, within, among = (
            1 - iou(*sets) for sets in ((samples, readings), (samples, samples), (readings, readings))
        )
        found.append(2 * across - within - among)
    return found[0]


def sklearns_iou(first: Tensor, second: Tensor) -> float:
    return float(np.mean([jaccard_score(a, b, zero_division=1.0) for a in first for b in second]))


def monais_iou(first: Tensor, second: Tensor) -> float:
    """The pairs form the batch."""
    one = first.repeat_interleave(len(second), dim=0)[:, None]
    two = second.repeat(len(first), 1)[:, None]
    return float(compute_iou(one, two, ignore_empty=False).mean())


def by_rater(d: Drawing) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities, a row for each voxel and rater."""
    rows = d.mean.flatten(1).T.double().repeat(len(d.readings), 1)
    return d.readings.flatten().numpy(), (rows / rows.sum(dim=1, keepdim=True)).numpy()


def sklearns_brier(d: Drawing) -> float:
    read, p = by_rater(d)
    known = list(range(d.classes))
    return float(brier_score_loss(read, p if d.classes > 2 else p[:, 1], labels=known, scale_by_half=False))


def monais_ece(d: Drawing) -> float:
    confidence, predicted = d.mean.max(dim=0)
    metric = CalibrationErrorMetric(num_bins=10, metric_reduction="none")
    right = (d.readings == predicted).float()
    metric(confidence.expand(right.shape)[None, None], right[None, None])
    return float(metric.aggregate())


def scipys_split(d: Drawing) -> float:
    samples = d.samples.numpy()
    total = scipy.stats.entropy(samples.mean(axis=0), axis=0)
    return float((total - scipy.stats.entropy(samples, axis=1).mean(axis=0)).mean())


def scipys_correlation(d: Drawing) -> float:
    predicted, read = (
        label_variance(each) for each in (d.samples.mean(dim=0), shares(d.readings, d.classes))
    )
    return float(scipy.stats.pearsonr(predicted.flatten(), read.flatten()).statistic)


def numpys_area(d: Drawing) -> float:
    ordered = d.wrong.flatten().numpy()[np.argsort(d.uncertainty.flatten().numpy(), kind="stable")]
    rate = np.cumsum(ordered) / np.arange(1, ordered.size + 1)
    grid = np.linspace(0, 1, 101)
    return float(np.trapezoid(np.interp(grid * ordered.size, np.arange(1, ordered.size + 1), rate), grid))


PEERS: dict[str, tuple[str, Callable[[Drawing], float]]] = {
    "entropy_split": ("SciPy", scipys_split),
    "ged": ("scikit-learn", partial(ged_by_loops, sklearns_iou)),
    "ged ": ("MONAI", partial(ged_by_loops, monais_iou)),
    "rater_ncc": ("SciPy", scipys_correlation),
    "ece": ("MONAI", monais_ece),
    "brier": ("scikit-learn", sklearns_brier),
    "nll": ("scikit-learn", lambda d: float(log_loss(*by_rater(d), labels=list(range(d.classes))))),
    "error_auroc": (
        "scikit-learn",
        lambda d: float(roc_auc_score(d.wrong.flatten().numpy(), d.uncertainty.flatten().numpy())),
    ),
    "error_retention": ("NumPy", numpys_area),
}


def timed(act: Callable[[Drawing], object], drawing: Drawing) -> tuple[float, float]:
    """The duration of one call, and its value."""
    start = time.perf_counter()
    value = act(drawing)
    return time.perf_counter() - start, float(value)  # type: ignore[arg-type]


def against(name: str, peer: Callable[[Drawing], float], drawings: list[Drawing]) -> tuple[float, float]:
    """The median factor, and the largest difference between the two values."""
    pairs = [(timed(MEASURES[name], each), timed(peer, each)) for each in [drawings[0], *drawings]][1:]
    factor = statistics.median(theirs[0] / mine[0] for mine, theirs in pairs)
    return factor, max(abs(theirs[1] - mine[1]) for mine, theirs in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--shape", type=int, nargs="+", default=[128, 128], help="two axes or three")
    parser.add_argument("--classes", type=int, default=2, help="with background")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--raters", type=int, default=4)
    parser.add_argument("--peers", type=int, default=5, help="cases for the other libraries")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    shape, sizes = tuple(args.shape), (args.classes, args.samples, args.raters)

    seconds: dict[str, list[float]] = {name: [] for name in ("argmax", *MEASURES)}
    few: list[Drawing] = []
    for measure in MEASURES.values():
        measure(Drawing(0, shape, *sizes))  # warm-up
    for seed in range(args.cases):
        drawing = Drawing(seed, shape, *sizes)
        few = [*few, drawing][: args.peers]
        seconds["argmax"].append(timed(lambda d: as_labels(d.samples).sum(), drawing)[0])
        for name, measure in MEASURES.items():
            seconds[name].append(timed(measure, drawing)[0])

    print(
        f"{hardware(make_fabric('32-true'))}: {args.cases} cases of {shape}, {args.classes} classes, "
        f"{args.samples} samples, {args.raters} raters"
    )
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for column in ("measure", "all cases (s)", "peer", "factor", "difference"):
        table.add_column(column, justify="left" if column in ("measure", "peer") else "right", no_wrap=True)
    for name, taken in seconds.items():
        beside = [(who, peer) for key, (who, peer) in PEERS.items() if key.strip() == name] or [None]
        for found in beside:
            row = [name, f"{sum(taken):.2f}"]
            if found is not None:
                factor, gap = against(name, found[1], few)
                row += [found[0], f"{factor:.1f}", f"{gap:.0e}" + (" !" if gap > AGREE else "")]
            table.add_row(*row)
    Console().print(table)
    print(f"all measures: {sum(sum(taken) for taken in seconds.values()):.2f} s, with argmax")


if __name__ == "__main__":
    main()
