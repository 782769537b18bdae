"""Numbers and names as they are printed, everywhere alike."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def with_interval(row: Mapping[Any, Any], signed: bool = False, digits: int = 3) -> str:
    """A mean and its interval as printed: "0.853 [0.836, 0.868]"; the mean alone where there is none."""
    form = f"{'+' if signed else ''}.{digits}f"
    mean, low, high = (f"{round(row[name], digits) + 0.0:{form}}" for name in ("mean", "low", "high"))
    said = mean if np.isnan(row["low"]) else f"{mean} [{low}, {high}]"
    return said.replace("-", "−")


def p_text(p: float) -> str:
    """A p value as it is printed; a dash where nothing was tested."""
    if np.isnan(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def joined(names: Sequence[str]) -> str:
    """ "CSF, grey matter and white matter"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
