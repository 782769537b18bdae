"""Types of settings: pairs that are the range of a uniform draw."""

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
)


def tuples(value: Any) -> Any:
    """Lists, as a TOML file has them, as tuples; those in tables and lists too."""
    if isinstance(value, dict):
        return {name: tuples(v) for name, v in value.items()}
    return tuple(tuples(v) for v in value) if isinstance(value, list | tuple) else value


def _rising(pair: Any) -> Any:
    if pair[0] > pair[1]:
        raise ValueError("the lower end first")
    return pair


Range = Annotated[tuple[float, float], AfterValidator(_rising)]
Lengths = Annotated[tuple[NonNegativeFloat, NonNegativeFloat], AfterValidator(_rising)]
Sizes = Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_rising)]
Ranges = tuple[Range, ...]
Counts = Annotated[tuple[PositiveInt, PositiveInt], AfterValidator(_rising)]
Six = Annotated[Ranges, Field(min_length=6, max_length=6)]


class Part(BaseModel):
    """A table of settings: no unknown name, no value of another type, no change once made."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
