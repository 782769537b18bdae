"""What the loop writes down of each step."""

import csv
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    import pandas as pd

NOT_LOSSES = ("step", "seconds", "lr")
NOTED = "noted."
"""Begins the name of what a learner noted, which is no loss."""


def is_loss(column: str) -> bool:
    """Whether a column of curves is a loss; of several trainings side by side, names begin with a number."""
    return column not in NOT_LOSSES and NOTED not in column


class Curves:
    """A row a step: the step, seconds of training so far, the learning rate, every loss, all that was noted.

    Losses stay on the device and are fetched `every` so many steps, because fetching makes a GPU wait.

    Args:
        rows: those of a run that is being resumed.
        every: how many steps are fetched together.
    """

    def __init__(self, rows: list[dict[str, float]] | None = None, every: int = 10) -> None:
        self.rows = rows or []
        self.every = every
        self._pending: list[tuple[int, float, float, dict[str, Tensor]]] = []
        self._start = time.perf_counter() - (self.rows[-1]["seconds"] if self.rows else 0.0)

    @property
    def steps(self) -> int:
        """The steps that are done."""
        return len(self.rows) + len(self._pending)

    @property
    def seconds(self) -> float:
        """Of training so far, over all resumptions; work that a kill undid is not counted."""
        return time.perf_counter() - self._start

    @property
    def latest(self) -> str:
        """The losses fetched last, for a progress bar."""
        return " ".join(f"{k} {v:.3f}" for k, v in self._losses(self.rows[-1]).items()) if self.rows else ""

    @property
    def activity(self) -> dict[str, float]:
        """By name, the mean over the second half of the training of each number that the learner noted."""
        late = self.rows[len(self.rows) // 2 :]
        names = dict.fromkeys(name for row in late for name in row if name.startswith(NOTED))
        found = {name: [row[name] for row in late if name in row] for name in names}
        return {name.removeprefix(NOTED): sum(of) / len(of) for name, of in found.items()}

    def add(
        self,
        step: int,
        rate: float,
        losses: Mapping[str, Tensor],
        noted: Mapping[str, Tensor | float] | None = None,
    ) -> None:
        """Write down one step: its losses, and what the learner noted (`Learner.note`).

        Raises:
            FloatingPointError: as `settle`.
        """
        detached = {name: loss.detach() for name, loss in losses.items()}
        device = next(iter(detached.values())).device
        for name, value in (noted or {}).items():
            detached[NOTED + name] = torch.as_tensor(value, device=device).detach()
        self._pending.append((step, self.seconds, rate, detached))
        if len(self._pending) >= self.every:
            self.settle()

    def settle(self) -> None:
        """Fetch the losses of the steps noted since the last time.

        Raises:
            FloatingPointError: if a loss is infinite or not a number, with the step and every term of it.
        """
        for step, seconds, rate, losses in self._pending:
            values = torch.stack([loss.float() for loss in losses.values()]).tolist()
            named = dict(zip(losses, values, strict=True))
            if not all(math.isfinite(value) for value in values):
                terms = ", ".join(f"{name} = {value:g}" for name, value in named.items())
                raise FloatingPointError(
                    f"step {step}: the loss is not finite: {terms} (learning rate {rate:g})"
                )
            self.rows.append({"step": step, "seconds": round(seconds, 4), "lr": rate, **named})
        self._pending = []

    def write(self, path: Path) -> None:
        """As CSV; a loss that a step did not have stays empty."""
        self.settle()
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(self.rows)

    @staticmethod
    def _losses(row: dict[str, float]) -> dict[str, float]:
        return {name: value for name, value in row.items() if is_loss(name)}


def joined(curves: "Sequence[pd.DataFrame]") -> Curves:
    """Those of one training as they are; of several, side by side, each loss with its training's number.

    Seconds are added up; trainings of the same budget have as many steps.
    """
    if len(curves) == 1:
        rows = curves[0].to_dict("records")  # what is empty there is NaN here, and was no loss of that step
        return Curves([{str(k): v for k, v in row.items() if not math.isnan(v)} for row in rows])
    first, joint = curves[0], []
    for step in range(len(first)):
        row: dict[str, Any] = {"step": step, "seconds": sum(float(c["seconds"][step]) for c in curves)}
        row["lr"] = float(first["lr"][step])
        for number, each in enumerate(curves, start=1):
            row |= {f"{number}.{k}": v for k, v in each.iloc[step].items() if k not in NOT_LOSSES}
        joint.append(row)
    return Curves(joint)
