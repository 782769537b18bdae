"""A choice made on validation cases: which of several candidates goes to the test (survey 2.3.4)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.evaluation.protocol import Protocol, named
from medseg_lab.survey.measures import measure
from medseg_lab.training.recipe import Recipe


@dataclass(frozen=True)
class Choice:
    """What was chosen, and by which results.

    Args:
        name, recipe: of the best candidate.
        comparison: of all candidates, on validation cases. The best one's mean is better than it will be on
            other cases, since it was chosen by it.
    """

    name: str
    recipe: Recipe
    comparison: Comparison


def choose(protocol: Protocol, *candidates: str | Mapping[str, str | Recipe], metric: str = "dice") -> Choice:
    """The candidate that does best on the validation cases, over all seeds; the test part stays sealed.

    Candidates that change one trained learner cost one training:
    `choose(lesson.protocol, "U-Net", "U-Net, small components removed", metric="hd95")`. So a step after
    training, and how strong it is, is chosen without a look at the cases that it is tested on.

    Args:
        protocol: whose cohort, budget and seeds are taken; of its parts, validation alone.
        candidates: two or more, as of `Protocol.run`. Of equals the first wins, so let the plain one be it.
        metric: a measure of cases.

    Raises:
        ValueError: for fewer than two, an unknown name, or a measure of which neither way is better.
    """
    recipes = named(candidates)
    if len(recipes) < 2:
        raise ValueError(f"candidates: expected two or more, got {len(recipes)}")
    if (better := measure(metric).better) == "either":
        raise ValueError(f"metric: expected one of which a way is better, got {metric!r}")
    there = replace(protocol, parts=("validation",))
    comparison = there.compare(there.run_recipes(recipes), metric)
    means = comparison.table["mean"]
    best = str(means.idxmax() if better == "higher" else means.idxmin())
    return Choice(best, recipes[best], comparison)
