"""What a chapter opens with: its data, budget, protocol and run store, stated in a banner.

from medseg_lab import chapter
lesson = chapter.open("2.1.1", dataset=dataset, budget=budget, seeds=seeds)
runs = lesson.run("U-Net", "FCN-8s")
lesson.close()
"""

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError

from medseg_lab.data.batches import patches
from medseg_lab.data.coarser import coarser
from medseg_lab.data.cohort import Cohort, load_cohort
from medseg_lab.data.wording import counted
from medseg_lab.evaluation.claims import judged
from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.evaluation.judge import PARTS
from medseg_lab.evaluation.ledger import ledger_of
from medseg_lab.evaluation.protocol import Protocol, named
from medseg_lab.evaluation.verdicts import Verdict
from medseg_lab.record.comparison import NothingOnRecord, recorded
from medseg_lab.record.comparison import wanted as wanted_of
from medseg_lab.record.verdicts import Judged, judged_on_record
from medseg_lab.show.page import show_note, show_verdicts
from medseg_lab.survey.claims import claims
from medseg_lab.survey.methods import sections
from medseg_lab.survey.terms import Terms, terms_of
from medseg_lab.training.budget import Budget, budget_on
from medseg_lab.training.budget import budget as budget_called
from medseg_lab.training.device import hardware, make_fabric, peak_memory_mb
from medseg_lab.training.hardware import Hardware
from medseg_lab.training.recipe import Recipe
from medseg_lab.training.runs import Run, RunStore, run_store
from medseg_lab.workers.kept import close_workers
from medseg_lab.workers.memory import PeakMemory, peak_memory

LESSONS: list[Any] = []
"""The lessons opened in this process, and the sweeps reported: a chapter's record has their summaries."""


class Opening(BaseModel):
    """The checked arguments of `open`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    section: str
    dataset: str = Field(min_length=1)
    budget: str
    seeds: PositiveInt | None
    prefer: Annotated[tuple[str, ...], Field(min_length=1)]
    parts: Annotated[tuple[str, ...], Field(min_length=1)]
    steps: NonNegativeInt
    voxels: NonNegativeInt
    labelled: NonNegativeInt
    draw: NonNegativeInt
    samples: PositiveInt | None
    attack: Annotated[float, Field(ge=0)] | None
    split_seed: NonNegativeInt


@dataclass(frozen=True)
class KeptProtocol(Protocol):
    """A protocol that keeps the runs it was asked for, so that the lesson can say what they cost."""

    kept: list[Run] = field(default_factory=list)

    def run_recipes(self, methods: Mapping[str, Recipe]) -> dict[str, list[Run]]:
        """As `Protocol.run_recipes`."""
        found = super().run_recipes(methods)
        self.kept.extend(run for runs in found.values() for run in runs)
        return found


@dataclass
class Lesson:
    """One chapter at work.

    Attributes:
        section, title: the survey's number and heading.
        cohort: the cases, split by patient; the test part is sealed.
        budget: what each training may spend.
        store: where runs are kept and found again.
        protocol: trains and compares methods on equal terms.
        hardware: what training computes on.
        load: gives the same data with another number of labelled patients, or other data.
        labelled: patients whose labels may be used, None for all.
        terms: the section's own terms on this data set, which say why; None where it has none, or another
            budget sets them.
        verdicts: what became of the survey's claims, once `judge_claims` was called.
        on_record: the record's verdicts on the same claims, by their ids.
        others: the protocols with other numbers of labelled patients or on other data, once `with_labels` or
            `on` was called.
        spend: the budget on a data set, and the section's terms there.
    """

    section: str
    title: str
    cohort: Cohort
    budget: Budget
    store: RunStore
    protocol: KeptProtocol
    hardware: Hardware
    load: Callable[..., Cohort]
    spend: Callable[[str], tuple[Budget, Terms | None]]
    labelled: int | None = None
    terms: Terms | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    on_record: dict[str, Judged] = field(default_factory=dict)
    others: dict[int | str | None, KeptProtocol] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    memory: PeakMemory = field(default_factory=peak_memory)

    def run(self, *methods: str | Mapping[str, str | Recipe]) -> dict[str, list[Run]]:
        """Train every method with every seed, or replay it: `lesson.run("Mean Teacher", "UA-MT")`.

        Arguments, result and errors as in `medseg_lab.evaluation.protocol.Protocol.run`.
        """
        return self.protocol.run(*methods)

    def with_labels(self, labelled: int | None) -> KeptProtocol:
        """The protocol where the labels of so many patients may be used; None for all.

        The split is the same, and the labelled patients are nested: those of fewer are among those of more.
        So results can be paired (`compare(..., across_labels=True)`), and are judged with the lesson's.

        Raises:
            ValueError: if there are not so many.
        """
        if labelled not in self.others:
            cohort = self.cohort if labelled == self.labelled else self.load(labelled=labelled)
            self.others[labelled] = replace(self.protocol, cohort=cohort)
        return self.others[labelled]

    def on(self, *prefer: str, labelled: int | None = 0) -> KeptProtocol:
        """The protocol on other data, for a question that this lesson's do not pose; says which.

        Its trainings have the section's terms on that data set, and are judged with the lesson's.

        Args:
            prefer: ids, best first: the first that is at hand, else the embedded virtual subjects.
            labelled: patients whose labels may be used; 0 for the section's own number, which mostly is all,
                and None for all.

        Raises:
            ValueError: for an unknown data set.
        """
        name = " or ".join((*prefer, *([] if labelled == 0 else [f"{labelled or 'all'} labelled"])))
        if name not in self.others:
            load = partial(self.load, dataset="auto", prefer=prefer)
            cohort = _with_own_labels(load, self.section) if labelled == 0 else load(labelled=labelled)
            budget, terms = self.spend(cohort.id)
            self.others[name] = replace(self.protocol, cohort=cohort, budget=budget)
            lines = {
                "data": cohort.describe(),
                "budget": f"{budget.steps:,} steps a run",
                "a step sees": _seen(cohort, budget),
                **({"why": terms.why} if terms and budget.name == "class" else {}),
            }
            show_note(f"{self.section}, on other data", lines)
        return self.others[name]

    def show_terms(self) -> None:
        """Show on what terms this lesson trains, and the validation results by which they were chosen."""
        if self.terms is None:
            show_note("Terms", {"budget": self.banner()["budget"], "chosen": "as the budget says"})
            return
        rows = ("; ".join(f"{name} {value}" for name, value in row.items()) for row in self.terms.measured)
        lines = {"budget": self.banner()["budget"], "why": self.terms.why, "measured": "\n".join(rows)}
        show_note(f"Terms of section {self.section}, and why", {k: v for k, v in lines.items() if v})

    def judge_claims(self, *others: str) -> list[Verdict]:
        """The verdicts on this section's claims, from the runs of this lesson so far.

        Those of the record on the same claims are noted beside them.

        They are found as those of the book's page of claims are, which rests on all runs of the store.

        Args:
            others: further sections whose claims this lesson decides, too: "4.1" in a lesson on "4.1.2".
        """
        runs = {run.folder: run for run in self.protocol.kept}
        ledger = ledger_of(list(runs.values()), self.store.root)
        wanted = [claims(section) for section in (self.section, *others)]
        self.verdicts = [one.verdict for of_section in wanted for one in judged(ledger, of_section)]
        self.on_record = {
            name: one for of_section in wanted for name, one in judged_on_record(of_section).items()
        }
        return self.verdicts

    def answer(self, *claim_ids: str) -> None:
        """Show what became of these claims, in the words of their verdicts: here, and on record.

        Raises:
            ValueError: for a claim that `judge_claims` did not judge, naming those it did.
        """
        found = {verdict.claim.id: verdict for verdict in self.verdicts}
        unknown = [name for name in claim_ids if name not in found]
        if unknown:
            raise ValueError(
                f"claim: expected one of {', '.join(found) or 'none: none judged yet'}, got {unknown[0]!r}"
            )
        show_verdicts([found[name] for name in claim_ids], self.on_record)

    def recorded(
        self,
        *methods: str | Mapping[str, str | Recipe],
        metric: str = "dice",
        baseline: str | None = None,
        labelled: int | Mapping[str, int | None] | None = 0,
        across_labels: bool = False,
        dataset: str | None = None,
    ) -> Comparison | None:
        """The comparison of these methods on record, with more seeds; says which they were.

        None, which is said, where the record has none on this data set, or one seed of each. The largest
        budget counts that all have in common.

        Args:
            methods: as of `run`.
            metric, baseline, across_labels: as of `medseg_lab.evaluation.comparison.compare`.
            labelled: patients whose labels were used: 0 for as many as in this lesson, None for all; or by
                the method's name.
            dataset: the id of another data set than this lesson's.

        Raises:
            ValueError: for an unknown method or measure.
        """
        wanted = wanted_of(named(methods), labelled, self.labelled)
        cohorts = [self.cohort.fingerprint, *(one.cohort.fingerprint for one in self.others.values())]
        try:
            found, basis = recorded(
                wanted,
                dataset or self.cohort.id,
                metric=metric,
                baseline=baseline,
                across_labels=across_labels,
                part=self.protocol.parts[0],
                cohorts=cohorts,
            )
        except NothingOnRecord as reason:
            print(f"on record: {reason}")
            return None
        if len(found.seeds) < 2:
            print(f"on record: {basis}; one training of each tells no methods apart, and is not shown")
            return None
        print(f"on record: {basis}")
        return found

    def close(self) -> None:
        """Show what the lesson cost, and end its workers."""
        close_workers()
        show_note(f"What this took, section {self.section}", self.cost())

    def banner(self) -> dict[str, str]:
        """What the lesson works with, line by line."""
        budget = self.budget
        seeds = len(self.protocol.seed_numbers)
        packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "medseg-lab"))
        lines = {
            "data": self.cohort.describe(),
            "budget": f"{budget.name}: {budget.steps:,} steps a run, {counted(seeds, 'seed')} a method, "
            f"at most {budget.cases or 'all'} cases",
            "a step sees": _seen(self.cohort, self.budget),
            "scored on": ", ".join(self.protocol.parts),
            "device": str(self.hardware),
            "versions": f"Python {platform.python_version()}, {packages}",
            "run store": str(self.store.root),
        }
        # a published page need not tell whose machine it was made on
        return {name: text.replace(str(Path.home()), "~") for name, text in lines.items()}

    def cost(self) -> dict[str, str]:
        """Seconds, of which trained and replayed, and peak memory."""
        said = self.summary()
        peak = f"{self.memory.mb:.0f} MB, this process and its workers together"
        if self.hardware.device == "cuda":
            peak += f", {peak_memory_mb(torch.device('cuda')):.0f} MB on the card"
        lines = {
            "time": f"{said['seconds']:.0f} s since the chapter was opened",
            "trained": f"{counted(said['trained'], 'run')}, {said['seconds_trained']:.0f} s",
            "replayed": f"{counted(said['replayed'], 'run')} from the store, once trained in "
            f"{said['seconds_replayed']:.0f} s",
            "peak memory": peak,
        }
        cohorts = [self.cohort, *(protocol.cohort for protocol in self.others.values())]
        if reasons := dict.fromkeys(reason for cohort in cohorts for reason in cohort.openings):
            lines["test part"] = f"opened for: {'; '.join(reasons)}"
        return lines

    def summary(self) -> dict[str, Any]:
        """Plain data for the record of an executed chapter."""
        # a run asked for twice counts as what it was the first time
        unique = {run.folder: run for run in reversed(self.protocol.kept)}.values()
        # nor does one that was only changed after training count
        trained = [run for run in unique if not run.replayed and not run.record.changed]
        replayed = [run for run in unique if run.replayed and not run.record.changed]
        return {
            "section": self.section,
            "data": self.cohort.id + (" (virtual)" if self.cohort.is_virtual else ""),
            "others": sorted({protocol.cohort.id for protocol in self.others.values()}),
            "description": self.cohort.describe(),
            "fingerprint": self.cohort.fingerprint,
            "device": str(self.hardware),
            "seconds": round(time.monotonic() - self.started, 1),
            "trained": len(trained),
            "replayed": len(replayed),
            "peak_memory_mb": round(self.memory.mb),
            "seconds_trained": round(sum(run.own_seconds for run in trained), 1),
            "seconds_replayed": round(sum(run.own_seconds for run in replayed), 1),
            "runs": sorted({run.folder.name for run in self.protocol.kept}),
            "verdicts": {found.claim.id: [found.state, found.detail] for found in self.verdicts},
        }


def _seen(cohort: Cohort, budget: Budget) -> str:
    """What a step holds: whole patches, as many as fill the budget, and at least one."""
    dims, said = cohort.task.spatial_dims, []
    for learner_dims in sorted({2, dims}):
        patch, count = patches(cohort, learner_dims, budget.voxels, budget.patch)
        kind = "slice" if learner_dims < dims else "patch"
        edges = " x ".join(map(str, patch))
        said.append(
            f"{count} {kind}{'' if count == 1 else 's' if kind == 'slice' else 'es'} of {edges} "
            f"({count * prod(patch):,} {'pixels' if learner_dims == 2 else 'voxels'})"
        )
    return ", or ".join(said)


def open(
    section: str,
    *,
    dataset: str = "auto",
    budget: str = "class",
    seeds: int | None = None,
    prefer: tuple[str, ...] = ("msd-hippocampus",),
    parts: tuple[str, ...] = ("validation",),
    steps: int = 0,
    voxels: int = 0,
    labelled: int = 0,
    draw: int = 0,
    samples: int | None = None,
    attack: float | None = None,
    split_seed: int = 0,
) -> Lesson:
    """Open a chapter: load its data, and say what it works with.

    Args:
        section: the survey's section, "2.1.1".
        dataset: a data set's id, a folder in the MSD layout, or `auto`: the first of `prefer` that is at
            hand, else the embedded virtual subjects.
        budget: `smoke`, `class` or `full`. At `smoke`, images are coarser (`medseg_lab.data.coarser`) and a
            step sees one patch.
        seeds: trainings a method gets; None takes the budget's number.
        prefer: real data sets that suit the chapter, best first.
        parts: the cases that are scored; "test" opens the sealed part, which the lesson's cost then says.
        steps, voxels: what one training spends; 0 for the section's own terms on this data set
            (`medseg_lab.survey.terms`) where the budget is `class`, else for the budget's.
        labelled: patients whose labels may be used; 0 for the section's own number, which mostly is all.
        draw: which patients these are: 0, or another number for another draw.
        samples: how many segmentations of each case a method is to give, all of which are scored; None scores
            its prediction alone.
        attack: epsilon of the attack under which predictions are scored, too (`evaluation.attack`); None for
            no attack.
        split_seed: which split.

    Raises:
        ValueError: for an unknown or ill-typed argument, with the value seen and those that are known.
    """
    asked = _checked(
        section=section,
        dataset=dataset,
        budget=budget,
        seeds=seeds,
        prefer=prefer,
        parts=parts,
        steps=steps,
        voxels=voxels,
        labelled=labelled,
        draw=draw,
        samples=samples,
        attack=attack,
        split_seed=split_seed,
    )
    titles = {found.id: found.title for found in sections()}
    if asked.section not in titles:
        raise ValueError(f"section: expected one of {', '.join(titles)}, got {section!r}")
    if not set(asked.parts) <= set(PARTS):
        raise ValueError(f"parts: expected some of {', '.join(PARTS)}, got {asked.parts}")
    budgeted = budget_called(asked.budget)
    thin = budgeted.name == "smoke"
    if thin:
        budgeted = budgeted.model_copy(update={"voxels": 1})  # so that a step sees one patch
    load = partial(
        _load,
        thin,
        dataset=asked.dataset,
        cases=budgeted.cases,
        draw=asked.draw,
        split_seed=asked.split_seed,
        prefer=asked.prefer,
        mapped=True,  # so that all workers and the next chapter share what is prepared once
    )
    cohort = load(labelled=asked.labelled) if asked.labelled else _with_own_labels(load, asked.section)

    def spend(data: str) -> tuple[Budget, Terms | None]:
        found = terms_of(asked.section, data) if asked.budget == "class" else None
        return budget_on(budgeted, found, asked.steps, asked.voxels), found

    spent, terms = spend(cohort.id)
    store = run_store()
    lesson = Lesson(
        section=asked.section,
        title=titles[asked.section],
        cohort=cohort,
        budget=spent,
        store=store,
        protocol=KeptProtocol(
            cohort,
            spent,
            store,
            parts=asked.parts,
            seeds=asked.seeds,
            samples=asked.samples,
            attack=asked.attack,
        ),
        hardware=hardware(make_fabric()),
        load=load,
        spend=spend,
        labelled=len({case.patient for case in cohort.labelled}) if cohort.unlabelled else None,
        terms=terms if spent.name == "class" else None,
    )
    LESSONS.append(lesson)
    show_note(f"{lesson.section} {lesson.title}", lesson.banner())
    return lesson


def _with_own_labels(load: Callable[..., Cohort], section: str) -> Cohort:
    """The cohort with the labels of as many patients as the section's terms say; of all where they do not."""
    cohort = load(labelled=None)
    own = terms_of(section, cohort.id)
    if own is None or not own.labelled:
        return cohort
    # the budget's cap on cases may leave fewer patients than the terms want
    most = len({case.patient for case in cohort.labelled}) - 1
    return load(labelled=max(1, min(own.labelled, most)))


def _load(thin: bool, **said: Any) -> Cohort:
    """`load_cohort`, of coarser images if `thin`: to prove that something runs needs no fine ones."""
    cohort = load_cohort(**said)
    return coarser(cohort) if thin else cohort


def _checked(**arguments: Any) -> Opening:
    """The arguments as an `Opening`; what is wrong in one line each, with what was seen."""
    try:
        return Opening(**arguments)
    except ValidationError as error:
        said = [
            f"{problem['loc'][0]}: {problem['msg'].replace('Input should be', 'expected')}, "
            f"got {problem['input']!r}"
            for problem in error.errors()
        ]
        raise ValueError("; ".join(said)) from None
