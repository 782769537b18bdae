"""Folds of the labelled patients, for ensembles over folds (survey 2.3.3)."""

from collections.abc import Sequence

from medseg_lab.data.case import Case


def outside(cases: Sequence[Case], fold: int, folds: int) -> tuple[Case, ...]:
    """The cases of all patients but those of one fold.

    Patients are dealt to the folds in the order in which they come, which is that of a hash: the folds differ
    by at most one patient, and each patient is left out exactly once.

    Args:
        cases: of a training set.
        fold: 0 to folds - 1.
        folds: how many parts.

    Raises:
        ValueError: if there are fewer patients than folds.
    """
    patients = list(dict.fromkeys(case.patient for case in cases))
    if len(patients) < folds:
        raise ValueError(f"fold: expected {folds} labelled patients or more, got {len(patients)}")
    left = set(patients[fold::folds])
    return tuple(case for case in cases if case.patient not in left)
