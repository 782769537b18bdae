"""Active learning: the labels of the slices or patients that a network asks for (survey 5.3) [79]."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import torch
from pydantic import Field
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.data.case import Case
from medseg_lab.inference.predict import predict_case
from medseg_lab.inference.sample import sample_case
from medseg_lab.outlook.acquisition import Uncertain, uncertainty
from medseg_lab.outlook.units import (
    Unit,
    foreground,
    labels_of,
    marked,
    pool_of,
    scores_of,
    stack,
    units_of,
    whose,
)
from medseg_lab.training.recipe import Recipe, recipe
from medseg_lab.training.segmenter import Segmenter
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty.mc_dropout import MCDropout, dropouts

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort

OF_ROUNDS = ("ask", "rounds", "each", "passes", "share", "rate", "anew")
"""What the start does not depend on: one start serves all strategies."""


class Untrained(Supervised):
    """A network with its first weights, as a run: before any label. It takes one step of length 0."""

    step_share = rate_share = 0.0

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Nothing, of which no label is read."""
        return {"nothing": 0 * self.network(batch.image).float().mean()}


class ActiveLearning(Supervised):
    """Learns from few labels, says which others it wants, gets them, and goes on, round after round.

    It is for a cohort in which all training patients are labelled: `learn_from` withholds all labels but
    those that were asked for, and plays the annotator. A *pool* is what may be asked for: of a number of
    patients every third slice, or whole patients. Round 0 learns from a start set, drawn at random; it is the
    same run for all strategies. In each further round the network of the round before looks at the images of
    the pool, the strategy (`ask`) names the next units, and training goes on from the network's weights with
    the labels so far. Each round is a run of its own, and rests on the one before.

    Gal et al. [79] compare such strategies for classification, with Monte Carlo dropout. Here a unit's score
    is the sum over its voxels, so that background around it counts for nothing. "random" asks blindly.
    "foreground" asks at random among the units in which the network predicts any foreground: whoever asks for
    uncertain voxels asks for borders, and so for foreground, and this much is to be had without uncertainty.

    Chance is one order of all units, drawn from the run's seed, the same in every round: the start set are
    its first, "random" asks for the next, and "foreground" keeps to it where it can. So strategies differ by
    what they ask for alone.

    Departures: the authors train `anew` in each round, and ask for images. modAL and scikit-activeml, the
    libraries for this, score samples of a table by an estimator with `predict_proba`; slices that share a
    volume, and training by a budget, would have to be built around them, and the loop they give is short.

    Noted: `units`, labelled so far; `foreground`, the share of what was asked for (of the start, in round 0)
    that shows any; `like_random`, the share of this round's that "random" would have asked for; and, where
    there is a measure of uncertainty, `lift`, the mean score of what was asked for over that of all it chose
    from.

    Args:
        ask: the strategy; a measure of `acquisition.uncertainty`, "random" or "foreground".
        rounds: after the first.
        start: units labelled at first.
        each: units asked for in a round; fewer where the pool has no more.
        unit: what is labelled at once; of pictures it is always all of a patient.
        every: of the slices of a volume one in so many is in the pool, as neighbours are nearly the same.
        pool: patients in the pool, at most.
        passes: T, with dropout.
        share: the steps of a round over those of the first training.
        rate: the learning rate of a round over that of the first training. The new labels are as many as the
            old ones, so going on gently is of no use. With 16, 24 and 32 slices asked for at random, rounds
            at a quarter of the rate came to a Dice of .654, .747 and .747, at half of it to .662, .750 and
            .742, at the full one to .677, .761 and .762 (validation cases of msd-hippocampus, one seed).
        anew: from new weights in each round, as the authors do, in place of going on; it takes more steps
            than a lesson has. With 16 slices asked for at random it came to .701 in half of the first
            training's steps and to .740 in as many, and going on to .677 in a quarter of them, .684 in half
            and .697 in as many: a network that knows eight slices by heart is slow to learn from others. At
            the end, with 32, it is .774 anew against .762. All strategies pay the same (same cases, seed).

    Raises:
        ValueError: for folds, or a measure of uncertainty with a network that has no dropout.
    """

    ask: Uncertain | Literal["random", "foreground"] = "bald"
    rounds: Annotated[int, Field(ge=0)] = 3
    start: Annotated[int, Field(ge=1)] = 8
    each: Annotated[int, Field(ge=1)] = 8
    unit: Literal["slice", "patient"] = "slice"
    every: Annotated[int, Field(ge=1)] = 3
    pool: Annotated[int, Field(ge=1)] = 24
    passes: Annotated[int, Field(ge=2)] = 6
    share: Annotated[float, Field(gt=0, le=1)] = 0.25
    rate: Annotated[float, Field(gt=0, le=1)] = 1.0
    anew: bool = False

    @classmethod
    def teachers(cls, arguments: Mapping[str, Any]) -> Sequence[Recipe]:
        """The round before; before the start, the network as it is made."""
        left = cls.asked(arguments, "rounds")
        if not isinstance(left, int) or left < 1:
            known = cls.twin(arguments).arguments
            return [recipe(Untrained, **known)]
        if left == 1:
            return [recipe(cls, **{k: v for k, v in arguments.items() if k not in OF_ROUNDS}, rounds=0)]
        return [recipe(cls, **{**arguments, "rounds": left - 1})]

    def build(self) -> None:
        """The network; and a place for what is asked for."""
        super().build()
        if self.fold:
            raise ValueError(f"ActiveLearning: fold: expected none, as units are asked for, got {self.fold}")
        if self.is_uncertain and not dropouts(self.network):
            name = type(self.network).__name__
            raise ValueError(
                f"ActiveLearning: network: expected one with dropout for {self.ask!r}, got {name}"
            )
        self.step_share = self.share if self.rounds else 1.0
        self.rate_share = self.rate if self.rounds else 1.0
        size = self.start + self.rounds * self.each
        self.chosen: Tensor
        self.register_buffer("chosen", torch.full((size, 2), -1))
        self.made: dict[str, float] = {}

    @property
    def is_uncertain(self) -> bool:
        """Whether this round asks by a measure of uncertainty."""
        return self.rounds > 0 and self.ask in get_args(Uncertain)

    @property
    def asked_for(self) -> list[list[Unit]]:
        """What was labelled in each round, first the start set, in the order of asking."""
        rows = [Unit(*row) for row in self.chosen.tolist()]
        ends = [0, *range(self.start, len(rows) + 1, self.each)]
        return [[u for u in rows[a:b] if u.case >= 0] for a, b in pairwise(ends)]

    def learn_from(self, cohort: "Cohort", teachers: Sequence[Segmenter]) -> "Cohort":
        """Ask by what the round before predicts; then it learns from the labels so far."""
        before: Any = teachers[0]
        if not self.anew:
            self.network.load_state_dict(before.network.state_dict())
        pool, how = pool_of(cohort, self.pool), cohort.card.preprocessing
        of_volumes = self.unit == "slice" and cohort.task.spatial_dims == 3
        axis = (how.slice_axis + self.plane) % 3 if of_volumes else None
        so_far = [unit for of_round in getattr(before, "asked_for", []) for unit in of_round]
        new = self.next_units(units_of(pool, axis, self.every), so_far, pool, axis, before, how.slice_axis)
        labelled = [*so_far, *new]
        self.chosen[: len(labelled)] = torch.tensor(labelled)
        asked = labelled[self.start :] if self.rounds else labelled
        shown = [any(foreground(labels) for labels in labels_of(pool, unit, axis)) for unit in asked]
        self.made |= {"units": float(len(labelled)), "foreground": sum(shown) / max(1, len(shown))}
        return replace(cohort, labelled=self.labelled(pool, labelled, axis))

    def next_units(
        self,
        units: Sequence[Unit],
        so_far: Sequence[Unit],
        pool: Sequence[Case],
        axis: int | None,
        before: Any,
        slice_axis: int,
    ) -> list[Unit]:
        """What to have labelled in this round; reads no label."""
        by_chance = [units[i] for i in torch.randperm(len(units)).tolist()]
        open_ = [unit for unit in by_chance if unit not in set(so_far)]
        if not self.rounds:
            return open_[: self.start]
        new = open_[: self.each]
        if self.ask != "random":
            scores = scores_of(open_, pool, axis, partial(self.worth, before, slice_axis))
            new = sorted(open_, key=lambda unit: -self.rank(scores[unit]))[: self.each]
            if self.is_uncertain and new:
                mean = sum(scores.values()) / len(scores)
                self.made["lift"] = sum(scores[unit] for unit in new) / len(new) / max(mean, 1e-12)
        self.made["like_random"] = len({*new} & {*open_[: self.each]}) / max(1, len(new))
        return new

    def rank(self, score: float) -> float:
        """What units are sorted by, the highest first; equal ones stay in the order of chance."""
        return float(score > 0) if self.ask == "foreground" else score

    def worth(self, before: Segmenter, slice_axis: int, image: Tensor) -> Tensor:
        """What each voxel of an image `(C, *S)` adds to the score of its unit, `(*S)`."""
        if self.ask in get_args(Uncertain):
            samples = sample_case(MCDropout(learner=before), image, self.passes, slice_axis=slice_axis)
            return uncertainty(samples, self.ask)  # type: ignore[arg-type]
        return (predict_case(before, image, slice_axis=slice_axis).argmax(dim=0) > 0).float()

    def labelled(self, pool: Sequence[Case], units: Sequence[Unit], axis: int | None) -> tuple[Case, ...]:
        """The cases that are learned from: with the labels of the units, and no others."""
        if axis is None:
            return tuple(case for unit in units for case in whose(pool, unit))
        return (stack(pool, units, axis),) if self.task.spatial_dims == 2 else marked(pool, units, axis)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The supervised loss; notes what was asked for."""
        self.note(**self.made)
        return super().losses(batch, step)
