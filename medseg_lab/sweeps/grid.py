"""A sweep's grid file: methods, data sets, seeds, budgets, chapters."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from medseg_lab.data.text import read_toml
from medseg_lab.data.wording import one_line
from medseg_lab.survey.configurations import configuration
from medseg_lab.training.budget import BUDGETS, Budget
from medseg_lab.training.names import recipe_called
from medseg_lab.training.notation import add_own_modules, written

Name = Annotated[str, Field(min_length=1, max_length=1000)]
ALL, OWN = "all", "own"
MOST_SEEDS = 10_000


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _amount(value: Any) -> Any:
    if value in (ALL, OWN) or _is_whole(value, 1):
        return value
    raise ValueError('expected numbers of patients, "all" or "own"')


def _seeds(value: Any) -> Any:
    if _is_whole(value, MOST_SEEDS + 1):
        raise ValueError(f"expected at most {MOST_SEEDS:,} seeds")
    listed = isinstance(value, list) and value and all(_is_whole(seed, 0) for seed in value)
    if _is_whole(value, 1) or (listed and len(set(value)) == len(value)):
        return value
    raise ValueError("expected a number of seeds, or a list of different seeds such as [0, 1, 2]")


class ChapterGrid(BaseModel):
    """A chapter and values for its parameters: a list means one execution for each of its values."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    section: Name

    @property
    def alternatives(self) -> dict[str, list[Any]]:
        """By parameter, the values it takes."""
        given = self.model_extra or {}
        return {name: value if isinstance(value, list) else [value] for name, value in given.items()}


class Grid(BaseModel):
    """The keys of a grid file.

    Attributes:
        budget: of every training: `smoke`, `class` or `full`, or a table of `Budget`'s fields.
        datasets: ids, with or without variants, or folders, relative to the grid file.
        seeds: how many, or which; None takes the budget's number.
        parts: the cases that are scored; "test" opens the sealed part.
        section: of the survey, whose own terms (`survey.terms`) set steps, voxels and patch on each data set;
            for the budget `class`.
        samples: how many segmentations of each case are drawn and scored, as in section 4; None for none.
        attack: epsilon of the attack under which cases are scored once more (`evaluation.attack`); None for
            none.
        thin: in pixels: vessels up to so wide are scored once more (`evaluation.thin_vessels`); None for all
            widths together.
        labelled: of how many patients the labels may be used, one cohort for each; "all" for no limit, "own"
            for the number of the section's terms.
        draws: which patients these are, a cohort for each: 0, and other numbers for other draws.
        threads: PyTorch's, of each run. They are part of a run's key, so the number of workers is not: one
            worker or twenty give the same runs.
        gpus: 1 computes each run on a CUDA card, which several share on this machine (`--workers` says how
            many run at once); 0 computes on the CPU, even where there is a card.
        methods: configurations, by name.
        recipes: the sweep's own methods, a name to a recipe's text (`training.notation`); all of them run.
        chapters: chapters to execute.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    budget: Budget = BUDGETS["class"]
    datasets: list[Name] = []
    section: Name | None = None
    samples: PositiveInt | None = None
    attack: NonNegativeFloat | None = None
    thin: Annotated[float, Field(ge=1)] | None = None
    seeds: Annotated[PositiveInt | list[NonNegativeInt] | None, BeforeValidator(_seeds)] = None
    parts: Annotated[list[Literal["validation", "test", "labelled"]], Field(min_length=1)] = ["validation"]
    labelled: Annotated[
        list[Annotated[PositiveInt | Literal["all", "own"], BeforeValidator(_amount)]], Field(min_length=1)
    ] = ["all"]
    draws: Annotated[list[NonNegativeInt], Field(min_length=1)] = [0]
    threads: PositiveInt = 1
    gpus: Literal[0, 1] = 0
    methods: list[Name] = []
    recipes: dict[Name, str] = {}
    chapters: list[ChapterGrid] = []

    @field_validator("budget", mode="before")
    @classmethod
    def _read_budget(cls, value: Any) -> Any:
        if isinstance(value, str):
            if value not in BUDGETS:
                raise ValueError(f"expected one of {', '.join(BUDGETS)}")
            return BUDGETS[value]
        if isinstance(value, dict) and "name" in value:
            raise ValueError("expected a table without a name: only the known budgets have one")
        return value

    @model_validator(mode="after")
    def _seeds_are_not_too_many(self) -> "Grid":
        _seeds(self.budget.seeds)
        return self

    @model_validator(mode="after")
    def _terms_suit_the_budget(self) -> "Grid":
        if self.section is not None and self.budget.name != "class":
            raise ValueError(f"section: its terms are for the budget class, got {self.budget.name}")
        if self.section is None and OWN in self.labelled:
            raise ValueError('labelled: "own" is the number of a section; expected a section, got none')
        return self

    @model_validator(mode="after")
    def _samples_are_not_attacked(self) -> "Grid":
        if self.samples is not None and self.attack is not None:
            raise ValueError("samples are not scored under attack; choose one of the two")
        if self.thin is not None and (self.samples is not None or self.attack is not None):
            raise ValueError("thin vessels are not scored under attack, nor in samples")
        return self

    @property
    def seed_numbers(self) -> list[int]:
        """The seeds themselves."""
        if isinstance(self.seeds, list):
            return self.seeds
        return list(range(self.budget.seeds if self.seeds is None else self.seeds))


def read_grid(path: Path | str) -> Grid:
    """The grid in a TOML file; names in it are not looked up yet (`plan.read_plan` does).

    Raises:
        ValueError: naming the file, the key, what was expected and what was there.
    """
    try:
        return Grid.model_validate(read_toml(Path(path)))
    except ValidationError as error:
        raise ValueError(f"{path}: {'; '.join(map(_said, error.errors()))}") from None


def _said(problem: Any) -> str:
    """One of pydantic's problems, in the words of this library."""
    where = one_line(".".join(map(str, problem["loc"])))
    if problem["type"] == "extra_forbidden":
        budgets = [name for name in Budget.model_fields if name != "name"]
        known = budgets if where.startswith("budget.") else Grid.model_fields
        return f"{where}: expected one of {', '.join(known)}, got this unknown key"
    if problem["type"] == "missing":
        return f"{where}: expected a value, got nothing"
    said = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {said}, got {one_line(repr(problem['input']))}" if where else said


def names(path: Path | str) -> dict[str, str]:
    """The names that a grid file gives to methods, each with its recipe's text as the ledger writes it.

    Raises:
        ValueError: as `read_grid`, and for a recipe or method that cannot be read.
    """
    grid = read_grid(path)
    add_own_modules(Path(path).resolve().parent)
    try:
        texts = {name: configuration(name).recipe for name in grid.methods} | grid.recipes
        return {name: written(recipe_called(text)) for name, text in texts.items() if text}
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
