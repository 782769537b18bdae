"""What chapters need, what comes next and how long it takes: a line on each, and the page of paths."""

import re
import tomllib
from collections.abc import Iterable, Sequence
from math import ceil
from typing import Any

from medseg_lab.publishing.estimate import COSTS
from medseg_lab.publishing.house import Chapter, source, tags
from medseg_lab.publishing.markdown import bullets, table
from medseg_lab.publishing.places import cells, to_chapter
from medseg_lab.survey.paths import Path, Stop, needs, paths

WORDS = 180
"""Words that are read in a minute: of technical prose, perhaps not in one's first language."""
LINE, LOOK = 3, 30
"""Seconds for a line of code, and for a figure, a table, or a listing of the library's source."""
SHOWN = re.compile(r"\b(?:figure|explore|table|class_table|source|answer|show_\w+|\w+_table)\(")
CORES = 2
"""The machine whose costs are stated."""

END = "{doc}`What the survey says, what we saw </does_the_survey_hold>`"

PAGE = """\
# Reading paths

Chapters can be read in any order that has what each of them *needs* first. These paths are for one lesson,
two or four of them, and for a semester. Minutes to **read** are counted from a chapter's notebook: {words}
words a minute, {line} seconds for a line of code, and {look} seconds for each figure, table and listing;
solutions of exercises are not counted. Minutes to **compute** are those of the budget `class` on {cores}
cores, where nothing was computed before. Compute before the lesson: then nobody waits. With `--budget
smoke` a chapter takes a few minutes at most, and its numbers say nothing.
"""

CHAPTERS = """
## The chapters

In the order in which they follow each other.
"""


def minutes(chapter: Chapter, stop: Stop | None = None) -> int:
    """Minutes to read a chapter, or the part of it that a path stops at; solutions are not counted.

    Raises:
        ValueError: if the part begins or ends at a cell that the chapter does not have.
    """
    return ceil(sum(map(_seconds, _part(chapter, stop or Stop(chapter=chapter.section)))) / 60)


def _part(chapter: Chapter, stop: Stop) -> list[dict[str, Any]]:
    every, ids = chapter.notebook["cells"], cells(chapter)
    for end in (stop.start, stop.until):
        if end and end not in ids:
            raise ValueError(f"chapter {chapter.section}: expected the id of a cell, got {end!r}")
    start = ids.index(stop.start) if stop.start else 0
    return list(every[start : ids.index(stop.until) if stop.until else len(every)])


def _seconds(cell: dict[str, Any]) -> float:
    text = source(cell)
    if cell["cell_type"] == "markdown":
        words = [] if text.lstrip().startswith("## References") else re.findall(r"[A-Za-z][\w'’-]*", text)
        return len(words) / WORDS * 60
    if "solution" in tags(cell):
        return 0.0
    lines = sum(bool(line.strip()) for line in text.splitlines())
    return lines * LINE + len(SHOWN.findall(text)) * LOOK


def computing(sections: Iterable[str]) -> tuple[int, list[str]]:
    """Minutes to compute these chapters at `class` on two cores, and those of which it is not known."""
    known = tomllib.loads(COSTS.read_text(encoding="utf-8"))["class"]
    asked = dict.fromkeys(sections)
    seconds = sum(known["seconds"].get(section, 0) for section in asked) * known["cores"] / CORES
    return ceil(seconds / 60), [section for section in asked if section not in known["seconds"]]


def needs_and_next(chapter: Chapter, chapters: Sequence[Chapter]) -> str:
    """What a chapter needs, what comes next, and what it takes, as a paragraph; "" for one without a row."""
    rows = list(needs())
    if chapter.section not in rows:
        return ""
    before = ", ".join(to_chapter(one, chapters, text=one) for one in needs()[chapter.section].needs)
    after = [one for one in rows[rows.index(chapter.section) + 1 :] if one[0].isdigit()]
    following = _link(after[0], chapters) if after else END
    said = [f"**Needs** {before}." if before else "**Needs** no other chapter."]
    said += [f"**Next:** {following}."] if chapter.is_numbered else []
    said.append(f"**Reading:** {_spelled(minutes(chapter))}; **computing:** {_cost([chapter.section])}.")
    return f"{' '.join(said)} See {{doc}}`/reading_paths`."


def _link(section: str, chapters: Sequence[Chapter]) -> str:
    """To a chapter, by its short heading."""
    return next(
        (to_chapter(section, [one], _short(one)) for one in chapters if one.section == section), section
    )


def _spelled(count: int) -> str:
    return f"{count} minute{'s' * (count != 1)}"


def _cost(sections: Iterable[str]) -> str:
    """ "12 minutes on 2 cores", and which chapters have not been measured."""
    cost, unknown = computing(sections)
    said = f"{_spelled(cost)} on {CORES} cores" if cost else "not measured yet"
    return f"{said} (without {', '.join(unknown)}, not measured yet)" if cost and unknown else said


def reading_paths(chapters: Sequence[Chapter]) -> str:
    """The page: each path with its stops, aims and costs, then what each chapter needs and takes.

    Args:
        chapters: those that are in the book.
    """
    at = {chapter.section: chapter for chapter in chapters}
    lines = [PAGE.format(words=WORDS, line=LINE, look=LOOK, cores=CORES)]
    for path in paths():
        lines += ["", f"## {path.title}", "", *_path(path, at)]
    rows = []
    for one in needs().values():
        if chapter := at.get(one.section):
            before = ", ".join(to_chapter(name, chapters, text=name) for name in one.needs) or "–"
            cost, unknown = computing([one.section])
            reading = f"{minutes(chapter)}"
            rows.append((_link(one.section, chapters), before, reading, "–" if unknown else f"{cost}"))
    heads = ("Chapter", "Needs", "Minutes to read", f"Minutes to compute, {CORES} cores")
    return "\n".join([*lines, CHAPTERS, table(heads, rows), ""])


def taken(path: Path, at: dict[str, Chapter]) -> list[int]:
    """Minutes to read at each sitting of a path, of the chapters that are in the book."""
    return [sum(_minutes(stop, at) for stop in sitting.stops) for sitting in path.sitting]


def _minutes(stop: Stop, at: dict[str, Chapter]) -> int:
    """0 for a chapter that is not in the book; a chapter without the cells of a part is read whole."""
    if not (chapter := at.get(stop.chapter)):
        return 0
    ids = {*cells(chapter), ""}
    return minutes(chapter, stop if {stop.start, stop.until} <= ids else None)


def _path(path: Path, at: dict[str, Chapter]) -> list[str]:
    """A list of stops for one sitting, a table for several."""
    read = taken(path, at)
    every = _cost(stop.chapter for sitting in path.sitting for stop in sitting.stops)
    if len(path.sitting) == 1:
        (sitting,) = path.sitting
        stops = bullets(f"{_stop(stop, at)}: {_spelled(_minutes(stop, at))}" for stop in sitting.stops)
        return [sitting.aim, "", stops, "", f"{_spelled(sum(read))} to read. To compute: {every}."]
    rows = []
    for week, (sitting, reading) in enumerate(zip(path.sitting, read, strict=True), start=1):
        cost, _ = computing(stop.chapter for stop in sitting.stops)
        stops = "<br>".join(_stop(stop, at) for stop in sitting.stops)
        rows.append((f"{week}", stops, sitting.aim, f"{reading}", f"{cost or '–'}"))
    total = f"{_spelled(sum(read))} to read, at most {max(read)} a week. To compute it all: {every}."
    return [total, "", table(("Week", "Chapters", "Aim", "Read", "Compute"), rows)]


def _stop(stop: Stop, at: dict[str, Chapter]) -> str:
    """A link to the chapter; of a part, with the heading before which it ends."""
    if not (chapter := at.get(stop.chapter)):
        return stop.chapter
    link = to_chapter(stop.chapter, [chapter], _short(chapter))
    ends = [cell for cell in chapter.notebook["cells"] if stop.until and cell.get("id") == stop.until]
    heading = re.search(r"^#+ +(.+)$", source(ends[0]), re.MULTILINE) if ends else None
    return f"{link}, to before “{heading[1].strip()}”" if heading else link


def _short(chapter: Chapter) -> str:
    """The heading up to its colon: "2.1.1 Encoder and decoder"."""
    return chapter.heading.partition(":")[0]
