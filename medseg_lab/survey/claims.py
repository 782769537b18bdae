"""What the survey states and an experiment can test."""

from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from medseg_lab.survey.methods import read, sections


class Claim(BaseModel):
    """A statement of the survey with two sides.

    Attributes:
        id: short and unique.
        section: where the survey says it.
        statement: in our words.
        better, worse: the two sides, named as the section's chapter names its methods.
        metric: what decides, a column of the results.
        margin: the smallest difference worth naming, in the metric's unit.
        kind: "superior": `better` beats `worse`, by more than nothing and by `margin` or more on average.
            "non-inferior": `better` falls behind `worse` by less than `margin`.
        data: ids of the data sets that can decide it; empty means any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    section: str
    statement: str
    better: str
    worse: str
    metric: Literal["dice", "iou", "hd95", "assd", "nsd"] = "dice"
    margin: float = Field(gt=0)
    kind: Literal["superior", "non-inferior"] = "superior"
    data: tuple[str, ...] = ()


@cache
def claims(section: str | None = None) -> tuple[Claim, ...]:
    """The claims of one section, or all.

    Raises:
        ValueError: if an id occurs twice, a section does not exist, or both sides are the same.
    """
    known = {found.id for found in sections()}
    if section is not None and section not in known:
        raise ValueError(f"section: got {section!r}, wanted one of {', '.join(sorted(known))}")
    found = tuple(Claim(**row) for row in read("claims.toml")["claim"])
    for claim in found:
        if claim.section not in known:
            raise ValueError(
                f"{claim.id}: got section {claim.section!r}, wanted one of {', '.join(sorted(known))}"
            )
        if claim.better == claim.worse:
            raise ValueError(f"{claim.id}: got {claim.better!r} on both sides, wanted two methods")
    if len({claim.id for claim in found}) < len(found):
        raise ValueError("claims.toml: an id occurs twice")
    return tuple(claim for claim in found if section in (None, claim.section))
