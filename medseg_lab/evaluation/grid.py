"""Results as an array: every method with every seed on every case and class, or not at all."""

import math
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

AXES = ("method", "seed", "case", "class")
KEYS = ["method", "seed", "part", "case", "class"]


@dataclass(frozen=True)
class Grid:
    """A metric of every method, seed, case and class, each there once.

    Args:
        seeds, cases, classes: the axes after the methods.
        patients: whose each case is.
        values: `(methods, seeds, cases, classes)`.
    """

    seeds: tuple[int, ...]
    cases: tuple[str, ...]
    classes: tuple[str, ...]
    patients: tuple[str, ...]
    values: NDArray


def grid(frame: pd.DataFrame, metric: str) -> Grid:
    """A table (`medseg_lab.evaluation.results.collect`) as an array; seeds sorted, all else in its order.

    Raises:
        ValueError: where a method lacks a seed, a case or a class, or has one twice.
    """
    coded = {name: pd.factorize(frame[name], sort=name == "seed") for name in AXES}
    shape = tuple(len(names) for _, names in coded.values())
    cell = np.ravel_multi_index([codes for codes, _ in coded.values()], shape)
    if len(frame) != math.prod(shape) or np.bincount(cell).max() > 1:
        _explain(frame)
    values = np.empty(len(frame))
    values[cell] = frame[metric]
    seeds, cases, classes = (tuple(coded[name][1].tolist()) for name in AXES[1:])
    patients = tuple(map(str, frame.drop_duplicates("case")["patient"]))
    return Grid(seeds, cases, classes, patients, values.reshape(shape))


def _explain(frame: pd.DataFrame) -> NoReturn:
    """Say what is missing, or there twice."""
    if (again := frame.duplicated(KEYS)).any():
        raise ValueError(
            f"results: got two values for {frame.loc[again, KEYS].iloc[0].to_dict()}, wanted one"
        )
    for what in ("seed", "case", "class"):
        wanted = set(frame[what])
        for key, group in frame.groupby(["method"] if what == "seed" else ["method", "seed"], sort=False):
            if missing := wanted - set(group[what]):
                who = ", seed ".join(map(str, key))
                lacks = sorted(missing)[:3]
                raise ValueError(f"{what}: {who} lacks {lacks}; pairing needs the same for all methods")
    raise ValueError("results: some cases lack a class; pairing needs the same for all methods")
