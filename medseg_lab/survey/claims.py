"""What the survey states and an experiment can test."""

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveInt, model_validator

from medseg_lab.survey.configurations import configuration, configurations
from medseg_lab.survey.measures import Measure, measure
from medseg_lab.survey.methods import sections
from medseg_lab.survey.tables import in_order, rows


class Side(BaseModel):
    """One side of a claim: which runs of the ledger stand for it.

    Attributes:
        method: the name of a configuration.
        labelled: patients whose labels were used: a number, "all", or "part" (the fewest that were tried
            while other cases stayed without labels). Where neither side says, the most that were tried.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    labelled: PositiveInt | Literal["all", "part"] | None = None

    @property
    def labels(self) -> str:
        """The condition on labels in words: "all patients labelled"; "" where there is none."""
        if self.labelled is None:
            return ""
        number = {"part": "some", "1": "one"}.get(str(self.labelled), self.labelled)
        return f"{number} patient{'' if self.labelled == 1 else 's'} labelled"

    def __str__(self) -> str:
        return f"{self.method} ({self.labels})" if self.labels else self.method


def _side(text_or_table: Any) -> Any:
    return {"method": text_or_table} if isinstance(text_or_table, str) else text_or_table


class Claim(BaseModel):
    """A statement of the survey with two sides.

    Attributes:
        id: short and unique.
        section: where the survey says it.
        statement: in our words.
        better, worse: the two sides; a name alone is a `Side` without conditions.
        metric: what decides, the id of a measure.
        direction: which way of the metric is better.
        margin: the smallest difference worth naming, in the metric's unit; for a measure of runs, as a share
            of `worse`.
        kind: "superior": `better` beats `worse`, by more than nothing and by `margin` or more on average.
            "non-inferior": `better` falls behind `worse` by less than `margin`.
            "equivalent": the two differ by less than `margin`.
        data: ids of the data sets that can decide it; empty means any.
        dims: dimension of the data that can decide it; None means any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    section: str
    statement: str = Field(min_length=1)
    better: Annotated[Side, BeforeValidator(_side)]
    worse: Annotated[Side, BeforeValidator(_side)]
    metric: str = "dice"
    direction: Literal["higher", "lower"] = "higher"
    margin: float = Field(gt=0)
    kind: Literal["superior", "non-inferior", "equivalent"] = "superior"
    data: tuple[str, ...] = ()
    dims: Literal[2, 3] | None = None

    @model_validator(mode="after")
    def _sides_and_direction_make_sense(self) -> "Claim":
        if self.better == self.worse:
            raise ValueError(f"{self.id}: expected two methods, got {self.better} on both sides")
        if self.measure.better not in (self.direction, "either"):
            better = self.measure.better
            raise ValueError(
                f"{self.id}: expected the direction {better!r} for {self.metric}, got {self.direction!r}"
            )
        if self.measure.per == "run" and self.margin >= 1:
            raise ValueError(
                f"{self.id}: expected a margin below 1, a share of {self.metric}, got {self.margin:g}"
            )
        return self

    @property
    def measure(self) -> Measure:
        """What decides."""
        return measure(self.metric)

    @property
    def same_labels(self) -> bool:
        """Whether both sides learn from the same labels."""
        return self.better.labelled == self.worse.labelled

    @property
    def sides(self) -> str:
        """The two sides, as in "U-Net against FCN-8s"."""
        if not self.same_labels:
            return f"{self.better} against {self.worse}"
        both = f", {self.better.labels}" if self.better.labels else ""
        return f"{self.better.method} against {self.worse.method}{both}"


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
        for side in (claim.better, claim.worse):
            configuration(side.method)
    rank = {one.name: place for place, one in enumerate(configurations())}
    found.sort(key=lambda claim: (known.index(claim.section), in_order(rank, claim.better.method)))
    return tuple(claim for claim in found if section in (None, claim.section))
