"""Pages of chapters without results: prose and code, with a note at the top that says why."""

import json
from collections.abc import Sequence
from typing import Any

from medseg_lab.publishing.execute import Executed, Waiting
from medseg_lab.publishing.places import below_heading

Page = Executed | Waiting

NOT_EXECUTED = """\
This page has the chapter's text and code, without results. They will be here when `medseg book` has executed
the chapter; reload the page then. The {doc}`/status` page lists what has been executed.
"""

CHANGED = """\
It was last executed on {date}. Changed since: {reasons}. Its results may no longer hold, so this page has the
chapter's text and code alone, until `medseg book` has executed it again.
"""

FAILED = """\
```text
{failure}
```

This page has the chapter's text and code, without results. `medseg run {section}` executes it alone, and
shows the whole error.
"""

GROWING = """\
```{{admonition}} {executed} of {number} chapters have been executed
:class: note
The pages of the others have text and code, without results, and say so at the top. {left} The
{{doc}}`/status` page lists them. All comparisons and verdicts in this book rest on the runs so far.
```
"""

UNFINISHED = "While `medseg book` runs, it executes one after the other, and replaces its page."
ENDED = "Those that failed can be tried again: `medseg book` executes what is missing."


def note(chapter: Waiting) -> str:
    """Why a chapter has no results, as an admonition."""
    if chapter.failure:
        kind, title = "danger", "This chapter failed on this machine"
        said = FAILED.format(failure=chapter.failure, section=chapter.chapter.section)
    elif chapter.last is not None:
        kind, title = "warning", "Changed since it was last executed on this machine"
        reasons = [f"`{reason}`" for reason in chapter.reasons[:5]]
        reasons += [f"and {len(chapter.reasons) - 5} more"] if len(chapter.reasons) > 5 else []
        said = CHANGED.format(date=chapter.last.date, reasons=", ".join(reasons))
    else:
        kind, title, said = "warning", "Not executed yet on this machine", NOT_EXECUTED
    return f"````{{admonition}} {title}\n:class: {kind}\n{said}````"


def without_results(chapter: Waiting) -> dict[str, Any]:
    """The chapter's notebook without outputs, its note below the heading."""
    notebook = chapter.chapter.notebook
    notebook["metadata"]["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    below_heading(notebook, note(chapter))
    return notebook


def growing(pages: Sequence[Page]) -> str:
    """What the book's first pages say as long as chapters are missing; nothing when all were executed."""
    waiting = [page for page in pages if isinstance(page, Waiting)]
    if not waiting:
        return ""
    left = ENDED if all(page.failure for page in waiting) else UNFINISHED
    return GROWING.format(executed=len(pages) - len(waiting), number=len(pages), left=left)


def state(page: Page) -> str:
    """All that decides how a chapter's page looks, as text."""
    if isinstance(page, Executed):
        return f"{page.record.section} {page.record.key} {page.record.date}"
    return json.dumps([without_results(page), page.parameters])
