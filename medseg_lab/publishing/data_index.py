"""The page of all data sets: which there are, how to get one, and how to bring one's own."""

from collections.abc import Sequence

from medseg_lab.data import describe
from medseg_lab.data.card import Card
from medseg_lab.publishing.markdown import escape, table

INTRODUCTION = """\
# Data sets

A data set has a *card* that says what it is, whose, under which licence, how it is split and what is
wrong with it; the pages below are made from the cards. Nothing is downloaded unless you ask for it.
"""

GETTING = """\
## Getting one

```bash
medseg data list
medseg data show msd-hippocampus
medseg data get msd-hippocampus
medseg data get msd-hippocampus --accept-licence
medseg data verify msd-hippocampus
```

`list` says what is known and what is at hand; `show` prints a card and draws a contact sheet. The first `get`
shows licence, citation, size and address and fetches nothing yet; the second fetches. `verify` compares files
with known checksums.

A set lies in `$MEDSEG_DATA/<id>` or in the user's cache. Where a publisher wants registration, `get` says
what to do by hand, and takes what you downloaded: `medseg data get acdc --from FOLDER-OR-ARCHIVE`. An id may
name variants: `virtual-brain+lesion+raters`, `acdc+scribble`.

The addresses could not be reached from where these pages were written: beside them stands when they were
last confirmed, and so far that is *not yet*.

## Bringing your own

A folder in the layout of the Medical Segmentation Decathlon or of nnU-Net (`dataset.json`, `imagesTr`,
`labelsTr`) is a data set:

```bash
medseg data add path/to/folder
medseg run 2.1.1 --dataset path/to/folder
```

`add` reads every case and prints what it saw: sizes, spacing, label values, what looks wrong, and which
cases it takes for one patient, by their ids. **Check that list**: scans of one patient on both sides of a
split make every result look better than it is. It writes a draft card, `card.toml`, into the folder, which
says what else to check; a card that is there is never overwritten. {doc}`../comparison/run_your_own` goes on
from there, to a comparison of three methods.
"""


def index(cards: Sequence[Card]) -> str:
    """All sets in a table, how to get one, and how to bring one's own."""
    rows = []
    for card in cards:
        found = card.measured
        counts = (str(found.cases), str(found.patients)) if found else ("not counted", "")
        link, what = f"[{card.id}]({card.id}.md)", escape(describe.what(card))
        rows.append((link, what, *counts, describe.size(card), escape(describe.short_licence(card))))
    heads = ("Data set", "What", "Cases", "Patients", "To fetch", "Licence")
    return "\n".join([INTRODUCTION, *table(heads, rows), "", GETTING])
