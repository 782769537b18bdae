"""What the survey states and an experiment can test."""

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveInt, model_validator

from medseg_lab.survey.configurations import configuration, configurations
from medseg_lab.survey.measures import Measure, measure
from medseg_lab.survey.methods import sections
from medseg_lab.survey.tables import in_order, rows


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Side(_Table):
    """One side of a claim: which runs of the ledger stand for it.

    Attributes:
        method: the name of a configuration. Or one of the next two stands in its place.
        any: names, of which one is enough (`kind = "exists"`).
        best: names, of which the one with the best mean stands for the side, on each data set. Chosen by its
            own results, it looks better than it is: so a `best` can only be the worse side.
        labelled: patients whose labels were used: a number, "all", or "part" (the fewest that were tried
            while other cases stayed without labels). Where neither side says, the most that were tried.
    """

    method: str = ""
    any: tuple[str, ...] = ()
    best: tuple[str, ...] = ()
    labelled: PositiveInt | Literal["all", "part"] | None = None

    @model_validator(mode="after")
    def _one_way_of_naming(self) -> "Side":
        if bool(self.method) + bool(self.any) + bool(self.best) != 1:
            raise ValueError(f"side: expected one of method, any and best, got {self.model_dump()}")
        return self

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of all configurations that may stand for the side."""
        return (self.method,) if self.method else self.any or self.best

    @property
    def name(self) -> str:
        """The method, or which of several."""
        if self.method:
            return self.method
        *most, last = self.methods
        several = f"{', '.join(most)} and {last}" if most else last
        return f"the best of {several}" if self.best else f"any of {several}"

    @property
    def labels(self) -> str:
        """The condition on labels in words: "all patients labelled"; "" where there is none."""
        if self.labelled is None:
            return ""
        number = {"part": "some", "1": "one"}.get(str(self.labelled), self.labelled)
        return f"{number} patient{'' if self.labelled == 1 else 's'} labelled"

    def each(self) -> "tuple[Side, ...]":
        """A side for each method."""
        return tuple(Side(method=name, labelled=self.labelled) for name in self.methods)

    def __str__(self) -> str:
        return f"{self.name} ({self.labels})" if self.labels else self.name


class Acts(_Table):
    """What shows that a method's idea acted: a number that its trainings noted, or one of its cases.

    Attributes:
        noted: a name under which the learner notes something in each step (`Learner.note`): "kept".
        measure: the id of a measure of cases, in place of `noted`.
        below, above: what the number is to be, if the idea acted; one of the two or both.
        unit: of what is noted: "voxels"; without one, it is a share or a pure number.
    """

    noted: str = ""
    measure: str = ""
    below: float | None = None
    above: float | None = None
    unit: str = ""

    @model_validator(mode="after")
    def _something_is_measured(self) -> "Acts":
        if bool(self.noted) == bool(self.measure):
            raise ValueError("acts: expected either noted or measure")
        if self.below is None and self.above is None:
            raise ValueError("acts: expected below or above, got neither")
        if self.measure and measure(self.measure).per != "case":
            raise ValueError(f"acts: expected a measure of cases, got {self.measure!r}")
        return self

    def shown_by(self, value: float) -> bool:
        """Whether the idea acted, by this number."""
        low = -float("inf") if self.above is None else self.above
        return low < value < (float("inf") if self.below is None else self.below)

    def written(self, value: float) -> str:
        """The number with its name: "kept 99.6%", "mutual information 0.0003 nats"."""
        if self.unit:
            return f"{self.noted} {value:.2g} {self.unit}"
        if self.noted:
            share = 0 <= value <= 1 and (self.below or 0) <= 1 and (self.above or 0) <= 1
            return f"{self.noted} {value:.1%}" if share else f"{self.noted} {value:.3g}"
        return f"{measure(self.measure).title} {measure(self.measure).written(value).lstrip('+')}"

    @property
    def wanted(self) -> str:
        """What the number is to be: "below 95.0%"."""
        limits = {"above": self.above, "below": self.below}
        return " and ".join(f"{side} {limit:g}" for side, limit in limits.items() if limit is not None)


def _side(text_or_table: Any) -> Any:
    return {"method": text_or_table} if isinstance(text_or_table, str) else text_or_table


class Claim(_Table):
    """A statement of the survey with two sides, or an identity that a test proves.

    Attributes:
        id: short and unique.
        section: where the survey says it.
        statement: in our words.
        better, worse: the two sides; a name alone is a `Side` without conditions.
        metric: what decides, the id of a measure.
        direction: which way of the metric is better.
        margin: the smallest difference worth naming, in the metric's unit; for a measure of runs, as a share
            of `worse`.
        margin_share: in place of `margin`: a share of the mean of `worse`.
        kind: "superior": `better` beats `worse`, by more than nothing and by `margin` or more on average.
            "non-inferior": `better` falls behind `worse` by less than `margin`.
            "equivalent": the two differ by less than `margin`.
            "exists": `better` beats `worse` as in "superior" for one of several methods on one data set.
        data: ids of the data sets that can decide it; empty means any.
        dims: dimension of the data that can decide it; None means any.
        acts: what shows that the idea of `better` acted; where it did not, nothing was tested.
        gap: the ceiling: a third side, to which there must be a gap of three margins from `worse`; where
            there is none, no method could have closed it, and nothing was tested.
        matched: what the two sides have in common beside their terms.
        own: True for a statement of ours that the survey does not make.
        identity: in place of the sides: the test, as pytest calls it, that proves an exact statement.
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    section: str
    statement: str = Field(min_length=1)
    better: Annotated[Side | None, BeforeValidator(_side)] = None
    worse: Annotated[Side | None, BeforeValidator(_side)] = None
    metric: str = "dice"
    direction: Literal["higher", "lower"] = "higher"
    margin: float | None = Field(default=None, gt=0)
    margin_share: float | None = Field(default=None, gt=0, lt=1)
    kind: Literal["superior", "non-inferior", "equivalent", "exists"] = "superior"
    data: tuple[str, ...] = ()
    dims: Literal[2, 3] | None = None
    acts: Acts | None = None
    gap: Annotated[Side | None, BeforeValidator(_side)] = None
    matched: Literal["FLOPs", "parameters", "nothing"] | None = None
    own: bool = False
    identity: str = Field(default="", pattern=r"^$|^tests/.+\.py::test_\w+$")

    @model_validator(mode="after")
    def _it_can_be_judged(self) -> "Claim":
        if self.identity:
            if given := self.model_fields_set - {"id", "section", "statement", "own", "identity"}:
                raise ValueError(
                    f"{self.id}: expected an identity alone, got {', '.join(sorted(given))}, too"
                )
            return self
        if self.better is None or self.worse is None:
            raise ValueError(f"{self.id}: expected better and worse, or an identity")
        if set(self.better.methods) & set(self.worse.methods) and self.same_labels:
            raise ValueError(f"{self.id}: expected two methods, got {self.better} on both sides")
        if (self.margin is None) == (self.margin_share is None):
            raise ValueError(f"{self.id}: expected either margin or margin_share")
        if self.measure.better not in (self.direction, "either"):
            better = self.measure.better
            raise ValueError(
                f"{self.id}: expected the direction {better!r} for {self.metric}, got {self.direction!r}"
            )
        of_runs = self.measure.per == "run"
        if of_runs and (self.margin is None or self.margin >= 1):
            said = "none" if self.margin is None else f"{self.margin:g}"
            raise ValueError(f"{self.id}: expected a margin below 1, a share of {self.metric}, got {said}")
        if of_runs and (self.acts or self.gap):
            raise ValueError(f"{self.id}: expected acts and gap with a measure of cases, got {self.metric}")
        if (self.better.any or self.worse.any) and self.kind != "exists":
            raise ValueError(f"{self.id}: expected kind = 'exists' for a side of any, got {self.kind!r}")
        if self.better.best:
            raise ValueError(f"{self.id}: expected the best of several as the worse side alone")
        if self.gap and not self.gap.method:
            raise ValueError(f"{self.id}: expected one method as the ceiling of the gap, got {self.gap}")
        return self

    @property
    def measure(self) -> Measure:
        """What decides."""
        return measure(self.metric)

    @property
    def methods(self) -> tuple[str, ...]:
        """The configurations of all its sides, each once; none for an identity."""
        sides = (side for side in (self.better, self.worse, self.gap) if side)
        return tuple(dict.fromkeys(name for side in sides for name in side.methods))

    @property
    def same_labels(self) -> bool:
        """Whether both sides learn from the same labels."""
        return not (self.better and self.worse) or self.better.labelled == self.worse.labelled

    @property
    def sides(self) -> str:
        """The two sides, as in "U-Net against FCN-8s"; "" for an identity."""
        if not (self.better and self.worse):
            return ""
        if not self.same_labels:
            return f"{self.better} against {self.worse}"
        both = f", {self.better.labels}" if self.better.labels else ""
        return f"{self.better.name} against {self.worse.name}{both}"

    @property
    def smallest(self) -> str:
        """The margin as it is printed: "0.01", "0.5 mm", "15%"; "" for an identity."""
        if self.margin_share is not None:
            return f"{self.margin_share:.0%}"
        return "" if self.margin is None else self.measure.written(self.margin, signed=False)

    def pairs(self) -> "tuple[Claim, ...]":
        """The claim with one method on each side, for each pair; none for an identity."""
        if not (self.better and self.worse):
            return ()
        return tuple(
            self.model_copy(update={"better": better, "worse": worse})
            for better in self.better.each()
            for worse in self.worse.each()
        )


@cache
def claims(section: str | None = None) -> tuple[Claim, ...]:
    """The claims of one section, or all, in the survey's order.

    Raises:
        ValueError: if an id occurs twice, or a section or a side's configuration does not exist.
    """
    known = [found.id for found in sections()]
    if section is not None and section not in known:
        raise ValueError(f"section: expected one of {', '.join(known)}, got {section!r}")
    found = [Claim(**row.values) for row in rows("claim")]
    seen: set[str] = set()
    for claim in found:
        if claim.section not in known:
            raise ValueError(
                f"{claim.id}: expected one of the sections {', '.join(known)}, got {claim.section!r}"
            )
        if claim.id in seen:
            raise ValueError(f"claim {claim.id!r} occurs twice")
        seen.add(claim.id)
        for name in claim.methods:
            configuration(name)
    rank = {one.name: place for place, one in enumerate(configurations())}
    found.sort(key=lambda claim: (known.index(claim.section), in_order(rank, (*claim.methods, "")[0])))
    return tuple(claim for claim in found if section in (None, claim.section))
