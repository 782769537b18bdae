"""A cohort and learners small enough to train in a blink, importable by other processes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import toys
from torch import Tensor, nn

from medseg_lab.data.batch import Batch
from medseg_lab.data.cohort import Cohort
from medseg_lab.training.budget import Budget
from medseg_lab.training.fit import fit
from medseg_lab.training.learner import Learner, Phase
from medseg_lab.training.recipe import Recipe, recipe
from medseg_lab.training.runs import Run, RunStore

TASK = toys.task(3, 2)


def tiny_budget(**changes: float) -> Budget:
    return Budget(**{"steps": 4, "voxels": 2 * 8**3, "patch": 8, **changes})


def tiny_cohort(fingerprint: str = "tiny") -> Cohort:
    """Two labelled balls, two held out."""
    return replace(toys.tiny_cohort(3, 2, labelled=2, unlabelled=0), fingerprint=fingerprint)


def small_network() -> nn.Module:
    return nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.BatchNorm3d(4), nn.Conv3d(4, 2, 1))


class Voxelwise(Learner):
    """Dropout, batch norm's buffers, and a teacher that follows: all that resuming must keep."""

    network: Any = None
    learning_rate: float = 3e-3

    def build(self) -> None:
        super().build()
        self.student, self.teacher = small_network(), small_network().requires_grad_(False)
        self.register_buffer("seen", torch.zeros(()))
        self.dropout = nn.Dropout(0.3)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        logits = self.student(self.dropout(batch.image)).float()
        teacher = self.teacher(batch.image).float()
        return {
            "ce": nn.functional.cross_entropy(logits, batch.label),
            "follow": 0.1 * (logits - teacher).square().mean(),
        }

    def after_step(self, step: int) -> None:
        self.seen += 1
        for mine, its in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
            mine.lerp_(its.detach(), 0.1)

    def predict(self, image: Tensor) -> Tensor:
        return self.student(image).softmax(1)


class Diverging(Voxelwise):
    """Its second term is not a number at step 2."""

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        terms = super().losses(batch, step)
        return terms | {"follow": terms["follow"] * (float("nan") if step == 2 else 1)}


class Pushing(Learner):
    """Two scalars that pull at each other: the skeleton of an adversarial method."""

    network: Any = None
    learning_rate = 3e-3
    weight_decay = 0.0

    def build(self) -> None:
        super().build()
        self.segmenter = nn.Parameter(torch.tensor(1.0))
        self.critic = nn.Parameter(torch.tensor(2.0))
        self.seen: list[tuple[str, float, float]] = []

    def phases(self) -> list[Phase]:
        return [
            Phase("segmenter", [self.segmenter], self._segmenter),
            Phase("critic", [self.critic], self._critic),
        ]

    def _note(self, when: str) -> None:
        self.seen.append((when, self.segmenter.item(), self.critic.item()))

    def _segmenter(self, batch: Batch, step: int) -> dict[str, Tensor]:
        self._note("segmenter")
        return {"fool": (self.segmenter * self.critic).square()}

    def _critic(self, batch: Batch, step: int) -> dict[str, Tensor]:
        self._note("critic")
        return {"tell": (self.segmenter - 3 * self.critic).square(), "small": self.critic.square()}

    def after_step(self, step: int) -> None:
        self._note("after")


class Peeking:
    """A judge that may open the test part, and draws at random."""

    def __init__(self, test: bool = False) -> None:
        self.test = test

    def __call__(self, learner: Learner, cohort: Cohort) -> pd.DataFrame:
        assert not learner.training
        cases = cohort.open_test("to judge") if self.test else cohort.validation
        rows = [{"case": c.id, "patient": "007", "class": "a", "dice": torch.rand(()).item()} for c in cases]
        return pd.DataFrame(rows)


def train_tiny(
    store: Path | str,
    target: Recipe | None = None,
    seed: int = 0,
    judge: Recipe | None = None,
    **budget: float,
) -> Run:
    return fit(
        target or recipe(Voxelwise),
        tiny_cohort(),
        tiny_budget(**budget),
        seed,
        store=RunStore(store),
        progress=False,
        judge=judge,
    )
