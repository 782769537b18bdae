"""One protocol for whatever is compared: same cohort, same budget, same seeds, same judge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medseg_lab.evaluation.attack import AttackJudge
from medseg_lab.evaluation.comparison import Comparison, compare
from medseg_lab.evaluation.judge import Judge
from medseg_lab.evaluation.region_judge import RegionJudge
from medseg_lab.evaluation.results import Results
from medseg_lab.evaluation.sample_judge import SampleJudge
from medseg_lab.evaluation.thin_vessels import ThinVesselJudge
from medseg_lab.training.budget import Budget
from medseg_lab.training.names import recipe_called
from medseg_lab.training.notation import written
from medseg_lab.training.recipe import Recipe, recipe

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort
    from medseg_lab.training.runs import Run, RunStore


@dataclass(frozen=True)
class Protocol:
    """The terms of a comparison.

    Args:
        cohort: the cases and their split.
        budget: what each training may spend.
        store: where runs are kept, and found again.
        parts: which cases are scored; "test" opens the sealed part.
        seeds: how many trainings a method gets; None takes the budget's number.
        samples: how many segmentations of each case a method is to give, all of which are scored; None scores
            its prediction alone.
        attack: the strength of an attack under which cases are scored once more
            (`medseg_lab.evaluation.attack`); None for no attack.
        thin: in pixels: vessels up to so wide are scored once more (`medseg_lab.evaluation.thin_vessels`);
            None for vessels of all widths together.
        workers: processes that train side by side; None for what `MEDSEG_WORKERS` says, or as many as this
            machine carries. The bits do not depend on it.

    Raises:
        ValueError: where more than one of samples, an attack and thin vessels are asked for.
    """

    cohort: "Cohort"
    budget: Budget
    store: "RunStore"
    parts: tuple[str, ...] = ("validation",)
    seeds: int | None = None
    samples: int | None = None
    attack: float | None = None
    thin: float | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.seeds is not None and self.seeds < 1:
            raise ValueError(f"seeds: expected 1 or more, got {self.seeds}")
        self.judge.build()  # what is wrong with it is found before anything is trained
        if self.samples is not None and self.attack is not None:
            raise ValueError("protocol: samples are not scored under attack; choose one of the two")
        if self.thin is not None and (self.samples is not None or self.attack is not None):
            raise ValueError("protocol: thin vessels are not scored under attack, nor in samples")

    @property
    def seed_numbers(self) -> range:
        """0, 1, ...: one for each training of a method."""
        return range(self.budget.seeds if self.seeds is None else self.seeds)

    @property
    def judge(self) -> Recipe:
        """How every run is scored."""
        regions = self.cohort.card.scored_regions
        return judge_of(self.parts, self.samples, self.attack, self.thin, regions)

    def run(self, *methods: str | Mapping[str, str | Recipe]) -> dict[str, list["Run"]]:
        """Train every method with every seed, or replay what the store holds; prints which was done.

        Args:
            methods: names of configurations ("UA-MT"), of variations ("UA-MT(passes=4)"), recipes as text; or
                names of one's own for any of these: `run("UA-MT", {"few labels": "U-Net with dropout"})`.

        Returns:
            A method's name to its runs, in the order of the seeds.

        Raises:
            ValueError: for an unknown name, or one that stands twice.
        """
        return self.run_recipes(named(methods))

    def run_recipes(self, methods: Mapping[str, Recipe]) -> dict[str, list["Run"]]:
        """As `run`, of recipes by name."""
        from medseg_lab.workers.fits import Wanted, fit_all

        wanted = [
            Wanted(f"{name}, seed {seed}", method, self.cohort, self.budget, seed, self.judge)
            for name, method in methods.items()
            for seed in self.seed_numbers
        ]
        found = fit_all(wanted, self.store, self.workers)
        print(summary(found))
        of = iter(found)
        return {name: [next(of) for _ in self.seed_numbers] for name in methods}

    def compare(
        self,
        runs: Mapping[str, Results],
        metric: str = "dice",
        *,
        baseline: str | None = None,
        across_labels: bool = False,
    ) -> Comparison:
        """`medseg_lab.evaluation.comparison.compare`, on the first of this protocol's parts."""
        return compare(runs, metric, part=self.parts[0], baseline=baseline, across_labels=across_labels)


def judge_of(
    parts: Sequence[str],
    samples: int | None = None,
    attack: float | None = None,
    thin: float | None = None,
    regions: Mapping[str, Sequence[int]] | None = None,
) -> Recipe:
    """How runs are scored: by predictions, by samples, also under attack, or thin vessels by themselves.

    Arguments as `Protocol`'s; `regions`, as classes by name, are scored in place of classes where only
    predictions are (`Card.scored_regions`).
    """
    if samples is not None:
        return recipe(SampleJudge, parts=list(parts), samples=samples)
    if attack is not None:
        return recipe(AttackJudge, parts=list(parts), epsilon=attack)
    if thin is not None:
        return recipe(ThinVesselJudge, parts=list(parts), width=thin)
    if regions:
        members = [list(one) for one in regions.values()]
        return recipe(RegionJudge, names=list(regions), members=members, parts=list(parts))
    return recipe(Judge, parts=list(parts))


def named(methods: Sequence[str | Mapping[str, str | Recipe]]) -> dict[str, Recipe]:
    """Recipes by name, in order.

    Raises:
        ValueError: for an unknown name, or one that stands twice.
    """
    found: dict[str, Recipe] = {}
    for each in methods:
        if not isinstance(each, str | Mapping):
            raise ValueError(
                f'methods: expected names ("U-Net"), or names of your own for recipes, got {each!r}'
            )
        for name, said in {each: each}.items() if isinstance(each, str) else each.items():
            if name in found:
                raise ValueError(f"methods: expected each name once, got {name!r} twice")
            found[name] = said if isinstance(said, Recipe) else recipe_called(said)
    texts = {name: written(recipe) for name, recipe in found.items()}
    for name, text in texts.items():
        if (first := next(other for other in texts if texts[other] == text)) != name:
            raise ValueError(f"methods: expected different ones, got {name!r}, the same as {first!r}")
    return found


def summary(runs: Sequence["Run"]) -> str:
    """As in "16 runs: 14 trained in 310 s, 2 replayed (45 s when they trained); CPU"."""
    changed = [run for run in runs if run.record.changed]
    trained = [run for run in runs if not run.replayed and not run.record.changed]
    replayed = [run for run in runs if run.replayed and not run.record.changed]
    said = []
    if trained:
        said.append(f"{len(trained)} trained in {_seconds(trained):.0f} s")
    if replayed:
        said.append(f"{len(replayed)} replayed ({_seconds(replayed):.0f} s when they trained)")
    if changed:
        said.append(f"{len(changed)} changed after training")
    devices = dict.fromkeys(str(run.record.hardware) for run in runs)
    count = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    return f"{count}: {', '.join(said)}; {' and '.join(devices)}"


def _seconds(runs: Sequence["Run"]) -> float:
    return sum(run.own_seconds for run in runs)
