"""Two of the book's generated pages: the survey's methods, and the status of the chapters."""

from collections.abc import Sequence
from itertools import groupby

from medseg_lab.publishing.execute import Executed, Waiting
from medseg_lab.publishing.house import Chapter
from medseg_lab.publishing.markdown import escape, table
from medseg_lab.publishing.waiting import Page, growing
from medseg_lab.survey.configurations import configurations
from medseg_lab.survey.methods import Method, beside, methods, sections

SURVEY = """\
# The survey, method by method

The survey {{cite}}`survey` names the {number} systems below. Each has a module of this library, a
test of its idea, and a chapter that runs it. Bracketed numbers are the survey's references.
"""

BESIDE = """
## Beside the survey, for comparison

These are none of the survey's systems, and count as none above. Any other network or loss of MONAI can be
run in the same way, as {{doc}}`design` says.
"""

STATUS = """\
# Status of the chapters

{growing}
The chapters of this book were executed as follows. Seconds are wall clock, the kernel's start included; peak
memory is that of the kernel.
"""

TIME = """
## Where the time went

*Trained* is what training took in this execution. *Replayed* counts the runs that were found in the store,
and what their training had taken when it was done.
"""


def survey_map(chapters: Sequence[Chapter]) -> str:
    """Every method of the survey, section by section, with its module in this library; then those beside it.

    Args:
        chapters: those that are in the book.
    """
    places = {section.id: section for section in sections()}
    pages = {chapter.section for chapter in chapters}
    lines = [SURVEY.format(number=len(methods()))]
    for section, found in groupby(methods(), key=lambda method: method.section):
        place = places[section]
        lines += ["", f"## {place.id} {place.title}", "", f'<em lang="zh">{place.chinese}</em>', ""]
        rows = []
        for method in found:
            module = method.path.removeprefix("medseg_lab.")
            chapter = f"{method.chapter}" + (" (in this book)" if method.chapter in pages else "")
            rows.append((method.name, _published(method), method.idea, chapter, f"`{module}`"))
        lines.append(table(("Method", "Reference", "Idea", "Chapter", "Module"), rows))
    lines.append(BESIDE.format())
    others = [(one.name, _published(one), one.idea, f"`{_network(one)}`") for one in beside()]
    lines.append(table(("Method", "Reference", "Idea", "Network or loss"), others))
    return "\n".join([*lines, ""])


def _published(method: Method) -> str:
    """The survey's references, else where it was published."""
    return " ".join(f"[{number}]" for number in method.references) or method.source


def _network(method: Method) -> str:
    """What makes it: of the recipe under which it is compared, the network's full name."""
    recipe = next(one.recipe for one in configurations() if one.method == method.id)
    return recipe.partition("network=")[2].partition("(")[0]


def status(pages: Sequence[Page]) -> str:
    """What each chapter of this book was executed with, and what it took; or that it was not."""
    chapters, training, versions = [], [], []
    names = next((tuple(item.record.versions) for item in pages if isinstance(item, Executed)), ())
    for item in pages:
        if isinstance(item, Waiting):
            budget = str(item.parameters.get("budget", "none"))
            chapters.append((item.chapter.heading, "", budget, "", "", _missing(item)))
            continue
        record = item.record
        budget, seconds = str(record.parameters.get("budget", "none")), f"{record.seconds:.0f}"
        memory = f"{record.peak_memory_mb} MB"
        chapters.append((item.chapter.heading, _said(item, "data"), budget, seconds, memory, record.date))
        runs = [_runs(item, name) for name in ("trained", "replayed")]
        training.append((record.section, _said(item, "device"), *runs))
        packages = [record.versions.get(name, "") for name in names]
        versions.append((record.section, f"`{record.key}`", record.inputs["versions"]["python"], *packages))
    lines = [
        STATUS.format(growing=growing(pages)),
        table(("Chapter", "Data", "Budget", "Seconds", "Peak memory", "Executed"), chapters),
        "",
    ]
    if training:
        lines += [
            TIME,
            table(("Section", "Device", "Trained", "Replayed"), training),
            "\n## Versions\n",
            table(("Section", "Key", "Python", *names), versions),
            "\nThe key is the digest of all that a chapter's outputs depend on: {doc}`design`.\n",
        ]
    return "\n".join(lines)


def _missing(item: Waiting) -> str:
    """Why a chapter has no results."""
    if item.failure:
        return f"**failed**: {escape(item.failure)}"
    return f"**not since a change**, last {item.last.date}" if item.last else "**not yet**"


def _said(item: Executed, name: str) -> str:
    """What the chapter's lessons reported under `name`, each answer once."""
    return "; ".join(dict.fromkeys(lesson[name] for lesson in item.record.lessons)) or "none"


def _runs(item: Executed, kind: str) -> str:
    """Runs and seconds, trained or replayed, over the chapter's lessons."""
    lessons = item.record.lessons
    runs = sum(lesson[kind] for lesson in lessons)
    return f"{runs} runs, {sum(lesson[f'seconds_{kind}'] for lesson in lessons):.0f} s"
