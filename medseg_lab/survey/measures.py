"""What a claim can be decided by."""

from functools import cache
from math import inf
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from medseg_lab.survey.tables import read


class Measure(BaseModel):
    """A number that a method gets on a case, or that a run has.

    Attributes:
        id: the column that holds it, in the ledger's cases or runs.
        title: as a reader knows it, with its unit where it has one.
        better: which way is better; "either" where only a claim can say.
        per: what one value belongs to.
        noted: of a measure of a run, the name under which its learner notes it in each step (`Learner.note`);
            "" for one that every run has.
        digits: decimals that are worth printing, of a measure of cases.
        range: the least and the largest value that it can have.
        exact: the same for all seeds of a method, so that one run tells it and nothing is estimated.
        empty: what it is where a class is neither there nor predicted, which a judge leaves out (NaN); None
            where it always has a value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9]+(_[a-z0-9]+)*$")
    title: str = Field(min_length=1)
    better: Literal["higher", "lower", "either"]
    per: Literal["case", "run"] = "case"
    noted: str = ""
    digits: int = 3
    range: tuple[float, float] = (-inf, inf)
    exact: bool = False
    empty: float | None = None

    @model_validator(mode="after")
    def _only_a_run_is_exact_or_noted(self) -> "Measure":
        if self.exact and self.per == "case":
            raise ValueError(f"{self.id}: expected an exact measure to be one of a run, got one of a case")
        if self.noted and self.per == "case":
            raise ValueError(f"{self.id}: expected what is noted to be of a run, got a measure of a case")
        return self

    def written(self, amount: float, signed: bool = True) -> str:
        """An amount as it is printed: a share of the other side for a run, else in the measure's unit.

        Args:
            amount: an effect, or a margin.
            signed: True for an effect; a margin has no sign, and is written as it stands in the table.
        """
        if not signed:
            return (
                f"{amount:.0%}" if self.per == "run" else f"{amount:g}{' mm' if '(mm)' in self.title else ''}"
            )
        digits = 2 if self.per == "run" else self.digits
        rounded = round(amount, digits) + 0.0  # there is no minus zero
        form = "+.0%" if self.per == "run" else f"+.{digits}f"
        return f"{rounded:{form}}".replace("-", "−")


@cache
def measures() -> tuple[Measure, ...]:
    """All of them.

    Raises:
        ValueError: if an id occurs twice.
    """
    found = tuple(Measure(**row) for row in read("measures.toml")["measure"])
    if len({one.id for one in found}) < len(found):
        raise ValueError("measures.toml: an id occurs twice")
    return found


def measure(id: str) -> Measure:
    """The measure called `id`.

    Raises:
        ValueError: if there is none, naming the known ones.
    """
    for found in measures():
        if found.id == id:
            return found
    raise ValueError(f"metric: expected one of {', '.join(one.id for one in measures())}, got {id!r}")
