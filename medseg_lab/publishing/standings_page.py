"""The book's page of standings: every comparison that the ledger allows, and what it does not show."""

from collections.abc import Sequence
from itertools import groupby

from medseg_lab.data.catalogue import is_known, load_card
from medseg_lab.evaluation.ledger import Ledger
from medseg_lab.evaluation.standings import Standing, standings
from medseg_lab.evaluation.wording import counted
from medseg_lab.publishing.markdown import escape
from medseg_lab.publishing.standing_section import section

FOLDER = "comparison"

INTRODUCTION = """\
# The standings

Every comparison that the runs on this machine allow, data set by data set: methods that were trained on the
same cases under the same budget, and scored alike. The page is made from the ledger each time the book is
built. Methods stand in the survey's order; none is marked as the best, because the numbers beside them say
whether there is one.
"""

READING = """\
## How to read it

Mean and brackets
: The mean over all cases and trainings, and a 95% interval: had other patients been scored, and had the
  networks been trained from other seeds, the mean would most likely have come out between the brackets.

Difference
: A method minus the one that the others are held against, case by case and seed by seed. Cases that are hard
  for all methods cancel out, so a difference is known better than either mean. If its brackets hold 0, these
  runs cannot tell the two methods apart, whichever has the higher mean.

Holm p
: How often a difference at least this large would turn up between methods that are equally good: Wilcoxon's
  test over the patients, corrected (after Holm) for the number of methods in the table. A small p says that
  there is a difference, not that it matters.

Rank and first
: Patients and trainings are drawn anew, many times, and the methods ranked each time. The brackets hold 95%
  of a method's ranks; *first* is how often it came out best. Ranks that overlap are not an order.

Training, memory, parameters
: What one training took: time on this machine, the largest memory of its process, and the numbers that are
  trained. Trainings that shared the machine with others took longer than they would alone.
"""

EMPTY = """\
There are no runs in the ledger yet. A chapter fills it, and so does a sweep:

```bash
medseg run 2.1.1
medseg sweep grid.toml
```

Build the book again, and they stand here. {doc}`run_your_own` shows how to compare methods on your own
images.
"""

SMOKE = """\
```{admonition} Proves that it runs, compares nothing
:class: warning
All runs in the ledger are of the budget `smoke`: a few steps of training. The tables below show what the
page looks like. Their numbers say nothing about the methods.
```
"""


def standings_pages(ledger: Ledger) -> dict[str, bytes]:
    """The page and its pictures, by file name.

    Comparisons at the budget `smoke` are shown only where there are no others.
    """
    found = standings(ledger)
    dearer = [standing for standing in found if standing.budget != "smoke"]
    shown = dearer or found
    compared = [standing for standing in shown if len(standing.methods) > 1]
    text = [INTRODUCTION]
    pictures: dict[str, bytes] = {}
    if not compared:
        text.append(EMPTY)
    elif not dearer:
        text.append(SMOKE)
    if compared:
        text.append(READING)
    for dataset, group in groupby(enumerate(compared, start=1), key=lambda item: item[1].dataset):
        text.append(f"## {escape(dataset)}\n\n{_data(dataset)}\n")
        for number, standing in group:
            said, drawn = section(standing, f"standing-{number}")
            text.append(f"{said}\n")
            pictures |= {f"{FOLDER}/{name}": data for name, data in drawn.items()}
    alone = [standing for standing in shown if len(standing.methods) < 2]
    text += _left_out(ledger, alone, len(found) - len(shown))
    return {f"{FOLDER}/standings.md": "\n".join(text).encode(), **pictures}


def _data(dataset: str) -> str:
    """What the data set is; above all, whether it is real."""
    if not is_known(dataset):
        return f"A folder of one's own, called {escape(dataset)}."
    card = load_card(dataset)
    kind = "real data" if card.virtual is None else "**virtual subjects, no real data**"
    return f"{escape(card.title)}: {kind} ([its page](../data/{card.base}.md))."


def _left_out(ledger: Ledger, alone: Sequence[Standing], smoke: int) -> list[str]:
    """What the ledger holds and the page does not show, each with the reason."""
    said = [
        f"{escape(one.methods[0])} on {escape(one.describe())}: no other method has runs on these terms."
        for one in alone
        if one.methods
    ]
    if smoke:
        said.append(
            f"{counted(smoke, 'comparison')} at the budget `smoke`, which proves that methods run and "
            "compares nothing."
        )
    if ledger.superseded:
        number = counted(len(ledger.superseded), "run")
        said.append(f"{number} of which there is a newer one on the same terms, with the same seed.")
    return ["## Not shown\n", *(f"- {line}" for line in said), ""] if said else []
