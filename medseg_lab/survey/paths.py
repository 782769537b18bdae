"""What each chapter needs, and paths through the chapters."""

from functools import cache

from pydantic import BaseModel, ConfigDict, Field

from medseg_lab.survey.tables import read


class Needs(BaseModel):
    """What a chapter needs.

    Attributes:
        section: the chapter.
        needs: the chapters that should be read before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    section: str
    needs: tuple[str, ...]


class Stop(BaseModel):
    """A chapter of a path, or a part of it.

    Attributes:
        chapter: by its section.
        start: the id of the cell where the part begins; "" is the first one.
        until: that of the cell before which it ends; "" goes to the end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    chapter: str
    start: str = ""
    until: str = ""


class Sitting(BaseModel):
    """What is read at once.

    Attributes:
        aim: what for.
        stops: in which order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    aim: str = Field(min_length=1)
    stops: tuple[Stop, ...] = Field(min_length=1)


class Path(BaseModel):
    """A way through the chapters.

    Attributes:
        title: how long it is, and what it is about.
        minutes: to read in at one sitting.
        sitting: its sittings: one, or one a week.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    minutes: int = Field(gt=0)
    sitting: tuple[Sitting, ...] = Field(min_length=1)


@cache
def needs() -> dict[str, Needs]:
    """All chapters, in the order in which they follow each other.

    Raises:
        ValueError: if a chapter occurs twice, or needs one that does not come before it.
    """
    found: dict[str, Needs] = {}
    for one in (Needs(**row) for row in read("paths.toml")["chapter"]):
        if one.section in found:
            raise ValueError(f"chapter {one.section!r} occurs twice")
        if late := [section for section in one.needs if section not in found]:
            raise ValueError(
                f"chapter {one.section!r}: expected to need chapters that come before it, got {late[0]!r}"
            )
        found[one.section] = one
    return found


@cache
def paths() -> tuple[Path, ...]:
    """All paths, the shortest first.

    Raises:
        ValueError: if one stops at a chapter that the table does not have.
    """
    found = tuple(Path(**row) for row in read("paths.toml")["path"])
    for path in found:
        for stop in (stop for sitting in path.sitting for stop in sitting.stops):
            if stop.chapter not in needs():
                raise ValueError(f"{path.title}: expected a chapter of the table, got {stop.chapter!r}")
    return found
