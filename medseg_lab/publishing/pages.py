"""The book's generated pages: the survey map, the claims, the status of the chapters."""

from collections.abc import Sequence
from itertools import groupby

from medseg_lab.evaluation.ledger import Ledger
from medseg_lab.publishing.claims_page import claims_page
from medseg_lab.publishing.execute import Executed
from medseg_lab.publishing.markdown import table
from medseg_lab.survey.methods import methods, sections


def generated_pages(executed: Sequence[Executed], ledger: Ledger) -> dict[str, str]:
    """Markdown by file name."""
    return {
        "survey_map.md": survey_map(executed),
        "claims.md": claims_page(executed, ledger),
        "status.md": status(executed),
    }


def survey_map(executed: Sequence[Executed]) -> str:
    """Every method of the survey, section by section, with where it stands in this library."""
    titles = {section.id: section for section in sections()}
    pages = {item.record.section for item in executed}
    ready = sum(method.state == "ready" for method in methods())
    lines = [
        "# The survey, method by method",
        "",
        f"The survey {{cite}}`survey` names the {len(methods())} systems below. **{ready}** of them can",
        "be run today; the others are planned. Bracketed numbers are the survey's references.",
    ]
    for section, found in groupby(methods(), key=lambda method: method.section):
        place = titles[section]
        lines += ["", f"## {place.id} {place.title}", "", f'<em lang="zh">{place.chinese}</em>', ""]
        rows = []
        for method in found:
            references = " ".join(f"[{number}]" for number in method.references)
            place_of = method.path.removeprefix("medseg_lab.")
            state = f"**ready**: `{place_of}`" if method.state == "ready" else "planned"
            chapter = f"{method.chapter}" + (" (in this book)" if method.chapter in pages else "")
            rows.append((method.name, references, method.idea, chapter, state))
        lines += table(("Method", "Reference", "Idea", "Chapter", "State"), rows)
    return "\n".join([*lines, ""])


def status(executed: Sequence[Executed]) -> str:
    """What each chapter of this book was executed with, and what it took."""
    lines = [
        "# Status of the chapters",
        "",
        "Each chapter of this book was executed as follows. Seconds are wall clock, the kernel's start",
        "included; peak memory is that of the kernel.",
        "",
    ]
    overview = [
        (
            item.chapter.heading,
            _said(item, "data"),
            _budget(item),
            f"{item.record.seconds:.0f}",
            f"{item.record.peak_memory_mb} MB",
            item.record.date,
        )
        for item in executed
    ]
    lines += table(("Chapter", "Data", "Budget", "Seconds", "Peak memory", "Executed"), overview)
    lines += [
        "",
        "## Where the time went",
        "",
        "*Trained* is what training took in this execution. *Replayed* counts the runs that were found in",
        "the store, and what their training had taken when it was done.",
        "",
    ]
    training = [(item.record.section, _said(item, "device"), *_training(item)) for item in executed]
    lines += table(("Section", "Device", "Trained", "Replayed"), training)
    lines += ["", "## Versions", ""]
    names = tuple(executed[0].record.versions) if executed else ()
    versions = [
        (
            item.record.section,
            f"`{item.record.key}`",
            item.record.inputs["versions"]["python"],
            *(item.record.versions.get(name, "") for name in names),
        )
        for item in executed
    ]
    lines += table(("Section", "Key", "Python", *names), versions)
    lines += ["", "The key is the digest of all that a chapter's outputs depend on: {doc}`design`.", ""]
    return "\n".join(lines)


def _said(item: Executed, name: str) -> str:
    """What the chapter's lessons reported under `name`, each answer once."""
    return "; ".join(dict.fromkeys(lesson[name] for lesson in item.record.lessons)) or "none"


def _budget(item: Executed) -> str:
    return str(item.record.parameters.get("budget", "none"))


def _training(item: Executed) -> tuple[str, str]:
    """Runs and seconds, trained and replayed, over the chapter's lessons."""
    total = {
        name: sum(lesson[name] for lesson in item.record.lessons)
        for name in ("trained", "seconds_trained", "replayed", "seconds_replayed")
    }
    trained = f"{total['trained']} runs, {total['seconds_trained']:.0f} s"
    return trained, f"{total['replayed']} runs, {total['seconds_replayed']:.0f} s"
