"""On what terms a section's chapter trains, and the numbers by which they were chosen."""

from functools import cache

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from medseg_lab.survey.methods import sections
from medseg_lab.survey.tables import read


class Terms(BaseModel):
    """A row of `terms.toml`: terms under which a section's questions can come out either way.

    Attributes:
        section: whose chapter.
        data: the id of the data set that they are for; "any" for all that have no row of their own.
        steps, voxels, patch: as in `medseg_lab.training.budget.Budget`.
        labelled: patients whose labels are used; None for all.
        why: the reason for this choice.
        measured: the numbers that it rests on, of validation cases: a table, row by row.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    section: str
    data: str = "any"
    steps: PositiveInt
    voxels: PositiveInt
    patch: PositiveInt = 64
    labelled: PositiveInt | None = None
    why: str = Field(min_length=1)
    measured: tuple[dict[str, str | int | float], ...] = ()


@cache
def all_terms() -> tuple[Terms, ...]:
    """All of them, in the order of the table, where a row may be for a list of sections.

    Raises:
        ValueError: for a section that does not exist, or two rows for one section and data set.
    """
    found = tuple(
        Terms(**row | {"section": section})
        for row in read("terms.toml")["terms"]
        for section in ([row["section"]] if isinstance(row["section"], str) else row["section"])
    )
    known = {section.id for section in sections()}
    if unknown := [one.section for one in found if one.section not in known]:
        raise ValueError(f"terms.toml: expected sections of the survey, got {unknown[0]!r}")
    keys = [(one.section, one.data) for one in found]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise ValueError(f"terms.toml: expected one row for {' on '.join(twice[0])}, got several")
    return found


def terms_of(section: str, dataset: str) -> Terms | None:
    """The terms of a section on a data set: its own row, else that for any; None where there is neither."""
    rows = {one.data: one for one in all_terms() if one.section == section}
    return rows.get(dataset, rows.get("any"))
