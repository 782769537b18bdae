"""Fit a learner to a cohort: train and judge it, or replay the run that is already there."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import torch
from lightning_fabric import Fabric

from medseg_lab.training.begin import begin
from medseg_lab.training.budget import Budget
from medseg_lab.training.curves import Curves, joined
from medseg_lab.training.device import hardware, make_fabric, peak_memory_mb, reproducible
from medseg_lab.training.hardware import Hardware
from medseg_lab.training.key import key_of, key_parts, training_key
from medseg_lab.training.loop import train
from medseg_lab.training.notation import written
from medseg_lab.training.recipe import Recipe
from medseg_lab.training.record import RunRecord, cohort_facts, task_facts, title, versions
from medseg_lab.training.run import PSEUDO_LABELS, joint_cost
from medseg_lab.training.runs import Run, RunStore
from medseg_lab.training.seeding import JUDGE, stream
from medseg_lab.training.segmenter import Segmenter
from medseg_lab.training.step_flops import step_flops
from medseg_lab.training.unfinished import SafeCheckpoints

if TYPE_CHECKING:
    import pandas as pd

    from medseg_lab.data.batches import Batches
    from medseg_lab.data.cohort import Cohort
    from medseg_lab.training.label_maps import LabelMaps
    from medseg_lab.training.learner import Learner

KEPT = ("bases", "patch", "batch_size", "step_flops", "seconds", "started", "peak_memory_mb")
"""Facts of a training that hold for each run that judges it."""


def fit(
    recipe: Recipe,
    cohort: "Cohort",
    budget: Budget,
    seed: int,
    *,
    store: RunStore,
    judge: Recipe | None = None,
    progress: bool = True,
    fabric: Fabric | None = None,
    threads: int = 1,
) -> Run:
    """Train and judge a learner, or replay the run that the store holds under the same key.

    The learners that a recipe rests on (`Recipe.bases`) are trained first, or replayed, each as a run of its
    own. One that changes or joins them is not trained, only judged. Nor is one whose training the store
    holds, judged otherwise: it is judged anew, to the bits that another training would give.

    Killed at any moment and called again, it goes on from its last checkpoint (in the third of three rounds,
    if it was killed there) and ends with the same bits.
    Called by two processes at once, one trains, the other waits for it and replays.

    Args:
        recipe: builds the learner, from the cohort's task.
        cohort: the cases, split.
        budget: what may be spent.
        seed: random seed of initial weights, batches, augmentation, dropout and judging.
        store: where finished and unfinished runs are.
        judge: builds a function of (learner, cohort) that gives the table `cases.csv`; what it keeps as its
            `label_maps` is kept with the run.
        progress: whether to show a bar, and print one line on what was done and on what device.
        fabric: device and precision; None for `make_fabric()`.
        threads: of PyTorch, on the CPU. Two help a small step hardly, and stall as soon as anything else
            wants a core; trainings side by side do more (`medseg_lab.workers.fits`).

    Raises:
        FloatingPointError: when a loss is infinite or not a number, with the step and its terms.
        RuntimeError: naming the store, where it cannot be written to: on a full disk, perhaps.
    """
    fabric = fabric or make_fabric()
    computes_on = hardware(fabric, threads)
    parts = key_parts(recipe, cohort, budget, seed, judge, computes_on)
    key = key_of(parts)
    with (
        store.lock(training_key(parts)) if fabric.is_global_zero else nullcontext(),
        reproducible(fabric.device, threads),
    ):
        fabric.barrier()
        run = store.find(key)
        if run is not None and fabric.is_global_zero:
            store.settle(run.record)
        if run is None:
            job = _Job(recipe, cohort, budget, seed, judge, fabric, computes_on, parts)
            if not recipe.changes and (same := store.trained(training_key(parts))):
                run = replace(job.judge_again(store, same), replayed=True)
            else:
                bases = list[Run]()
                if recipe.bases:
                    with torch.random.fork_rng(devices=[]):
                        recipe.build(cohort.task)  # what does not fit is found before the bases are trained
                    more: dict[str, Any] = {"judge": judge, "progress": progress, "fabric": fabric}
                    more |= {"store": store, "threads": threads}
                    bases = [fit(base, cohort, budget, seed, **more) for base in recipe.bases]
                bar_title = f"{title(parts['recipe'])}, seed {seed}" if progress else ""
                run = job.change(store, bases) if recipe.changes else job.train(store, bar_title, bases)
    run = replace(run, recipe=recipe)
    if progress and fabric.is_global_zero:
        print(run.summary())
    return run


@dataclass(frozen=True)
class _Job:
    """A run that is not in the store yet."""

    recipe: Recipe
    cohort: "Cohort"
    budget: Budget
    seed: int
    judge: Recipe | None
    fabric: Fabric
    hardware: Hardware
    parts: dict[str, Any]

    def train(self, store: RunStore, bar_title: str, bases: Sequence[Run]) -> Run:
        """Train, judge, publish; only the first of several processes judges and writes."""
        started = datetime.now(UTC)
        teachers = [base.learner(self.fabric.device) for base in bases]
        clock = time.perf_counter()
        learner, batches = begin(self.recipe, self.cohort, self.budget, self.seed, self.fabric, teachers)
        taught = time.perf_counter() - clock  # pseudo-labels cost more than some rounds that learn them
        checkpoints = SafeCheckpoints(store.partial(training_key(self.parts)), self.budget.checkpoint_seconds)
        curves = train(learner, batches, self.budget, self.seed, self.fabric, checkpoints, bar_title)
        flops = step_flops(self.fresh(batches), batches.batch(0))
        learner.forget()
        learner.patch, learner.precision = batches.patch, self.parts["hardware"]["precision"]
        facts = {
            "patch": batches.patch,
            "batch_size": batches.batch_size,
            "step_flops": flops,
            "started": started.isoformat(timespec="seconds"),
        }
        if bases:
            facts["bases"] = tuple(base.record.key for base in bases)
            facts["seconds"] = taught + curves.rows[-1]["seconds"] + joint_cost(bases, "seconds")
            facts["step_flops"] = round(flops * learner.step_share + joint_cost(bases, "step_flops"))
        return self.finish(store, learner, curves, facts, learner.pseudo_labels)

    def fresh(self, batches: "Batches") -> "Learner":
        """A learner before its first step, to be thrown away."""
        with torch.random.fork_rng(devices=[]):
            learner: Learner = self.recipe.build(self.cohort.task)
        learner.prepare(
            learner.steps_within(self.budget.steps), batches.unlabelled_shapes, batches.labelled_shapes
        )
        return learner.to(self.fabric.device)

    def judge_again(self, store: RunStore, same: Run) -> Run:
        """Judge the training of another run, publish."""
        record = same.record
        facts = {name: getattr(record, name) for name in KEPT}
        learner = same.learner(self.fabric.device, self.recipe)
        pseudo = same.folder / PSEUDO_LABELS
        kept = pseudo.read_bytes() if pseudo.is_file() else b""
        return self.finish(store, learner, joined([same.curves]), facts, kept)

    def change(self, store: RunStore, bases: Sequence[Run]) -> Run:
        """Change or join the learners that `bases` trained, judge, publish."""
        learner: Segmenter = self.recipe.change([base.learner(self.fabric.device) for base in bases])
        records = [base.record for base in bases]
        facts = {
            "bases": tuple(record.key for record in records),
            "patch": records[0].patch,
            "batch_size": records[0].batch_size,
            "step_flops": round(joint_cost(bases, "step_flops")),
            "seconds": joint_cost(bases, "seconds"),
            "peak_memory_mb": max(record.peak_memory_mb for record in records),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "activity": mean_activity(records),
        }
        return self.finish(store, learner, joined([base.curves for base in bases]), facts)

    def finish(
        self,
        store: RunStore,
        learner: Segmenter,
        curves: Curves,
        facts: dict[str, Any],
        pseudo_labels: bytes = b"",
    ) -> Run:
        """Judge and publish."""
        key, opened = key_of(self.parts), len(self.cohort.openings)
        if self.fabric.is_global_zero:
            begin = time.perf_counter()
            cases, label_maps = self.judged(learner)
            measured: dict[str, Any] = {
                "seconds": curves.rows[-1]["seconds"],
                "judge_seconds": round(time.perf_counter() - begin, 4),
                "peak_memory_mb": round(peak_memory_mb(self.fabric.device), 1),
                "parameters": sum(p.numel() for p in learner.parameters() if p.requires_grad),
                "activity": facts.pop("activity", {}) | curves.activity | learner.case_activity,
            }
            record = RunRecord(
                key=key,
                parts=self.parts,
                recipe=self.parts["recipe"],
                method=written(self.recipe),
                scoring=self.scoring,
                judge=self.parts["judge"],
                budget=self.budget,
                seed=self.seed,
                cohort=cohort_facts(self.cohort),
                task=task_facts(self.cohort.task),
                hardware=self.hardware,
                test_opened=tuple(self.cohort.openings[opened:]),
                versions=versions(),
                **(measured | facts),
            )
            store.publish(record, curves, cases, learner, label_maps, pseudo_labels)
        self.fabric.barrier()
        return Run(store.folder(key))

    @property
    def scoring(self) -> str:
        """How cases are scored, as text, whichever parts are; empty without a judge."""
        if self.judge is None:
            return ""
        return written(
            Recipe(self.judge.target, {k: v for k, v in self.judge.arguments.items() if k != "parts"})
        )

    def judged(self, learner: Segmenter) -> "tuple[pd.DataFrame | None, LabelMaps | None]":
        """The judge's table, or None without a judge; and the label maps that it kept, if it keeps them."""
        if self.judge is None:
            return None, None
        torch.manual_seed(stream(self.seed, JUDGE))
        judge = self.judge.build()
        cases: pd.DataFrame = judge(learner.eval(), self.cohort)
        return cases, getattr(judge, "label_maps", None)


def mean_activity(records: Sequence[RunRecord]) -> dict[str, float]:
    """What several trainings noted, by name: the mean over those that noted it."""
    names = dict.fromkeys(name for record in records for name in record.activity)
    found = {name: [r.activity[name] for r in records if name in r.activity] for name in names}
    return {name: sum(of) / len(of) for name, of in found.items()}
