"""Would validation have told? What a method changes on validation cases, and on test cases (survey 5.4)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from medseg_lab.data.wording import counted
from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.evaluation.protocol import named
from medseg_lab.record.comparison import NothingOnRecord, recorded, wanted
from medseg_lab.show.names import fitted
from medseg_lab.show.style import MARKERS, canvas, house, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CORNERS = {
    (True, True): "helps, and validation says so",
    (True, False): "helps, validation warns",
    (False, True): "hurts, validation is content",
    (False, False): "hurts, and validation warns",
}
"""By whether the difference is above 0 on test, and on validation cases."""


def gains(validation: Comparison, test: Comparison) -> pd.DataFrame:
    """Each method's difference to the baseline, seed by seed, on both parts: the mean over patients.

    Args:
        validation, test: the same trainings, judged on two parts, with one baseline.

    Returns:
        A row for each method and seed that both have: method, seed, validation, test.
    """
    if validation.baseline != test.baseline:
        raise ValueError(f"expected the same baseline, got {validation.baseline!r} and {test.baseline!r}")
    if (validation.part, test.part) != ("validation", "test"):
        raise ValueError(f"expected validation and test, got {validation.part!r} and {test.part!r}")
    rows = []
    for method in test.methods:
        if method == test.baseline or method not in validation.methods:
            continue
        apart = {}
        for found in (validation, test):
            means = (found.of_patients(method) - found.of_patients(found.baseline)).mean(axis=1)
            apart[found.part] = dict(zip(found.seeds, means.tolist(), strict=True))
        rows += [
            {"method": method, "seed": seed, **{part: apart[part][seed] for part in apart}}
            for seed in apart["test"]
            if seed in apart["validation"]
        ]
    return pd.DataFrame(rows, columns=["method", "seed", "validation", "test"])


def told(found: pd.DataFrame, patients: Mapping[str, int], baseline: str = "labels alone") -> "Figure":
    """A mark for each training: to the right what validation says, upwards what the test cases say.

    Args:
        found: as of `gains`.
        patients: how many each part has.
        baseline: what the differences are to.
    """
    methods = list(dict.fromkeys(found["method"]))
    reach = 1.25 * max(0.02, float(found[["validation", "test"]].abs().to_numpy().max()))
    with house():
        fig = canvas(7.0, 4.2)
        ax = fig.add_subplot()
        ax.axhspan(-reach, 0, color="#f2f2f2", linewidth=0, zorder=0)
        for axis in (ax.axhline, ax.axvline):
            axis(0, color="#444444", linewidth=0.8)
        for index, (name, short) in enumerate(zip(methods, fitted(methods, 24), strict=True)):
            rows, how = found[found["method"] == name], look(index)
            line = ax.plot(rows["validation"], rows["test"], how.marker, color=how.colour, label=short)
            line[0].set(markersize=7, markerfacecolor=how.colour if index < len(MARKERS) else "white")
        for (up, right), said in CORNERS.items():
            ax.annotate(
                said,
                (0.98 if right else 0.02, 0.97 if up else 0.03),
                xycoords="axes fraction",
                ha="right" if right else "left",
                va="top" if up else "bottom",
                fontsize=8,
                color="#444444",
            )
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach))
        ax.set_xlabel(f"Dice over {baseline}, {counted(patients['validation'], 'validation patient')}")
        ax.set_ylabel(f"the same, {counted(patients['test'], 'test patient')}")
        fig.legend(loc="outside right upper")
        fig.set_label(f"What trainings change over {baseline}: {'; '.join(in_words(found))}.")
    return fig


def in_words(found: pd.DataFrame) -> Sequence[str]:
    """How many trainings are in each corner."""
    right = pd.Series(list(zip(found["test"] > 0, found["validation"] > 0, strict=True)))
    return [
        f"{said}: {counted(int((right == corner).sum()), 'training')}" for corner, said in CORNERS.items()
    ]


def gains_on_record(
    methods: Mapping[str, str], baseline: str, dataset: str, labelled: int | None
) -> tuple[pd.DataFrame, dict[str, int]]:
    """As `gains`, of what is on record, with the number of patients of each part.

    Empty where the record has not both parts of the same trainings.

    Args:
        methods: names to configurations or variations, the baseline's among them.
        baseline: its name.
        dataset: the id of a data set.
        labelled: patients whose labels were used; None for all.
    """
    sides = wanted(named([methods]), labelled, labelled)
    found = {}
    for part in ("validation", "test"):
        try:
            found[part], _ = recorded(sides, dataset, baseline=baseline, part=part)
        except NothingOnRecord:
            return pd.DataFrame(), {}
        if found[part].part != part:
            return pd.DataFrame(), {}
    return gains(**found), {part: len(set(one.patients)) for part, one in found.items()}
