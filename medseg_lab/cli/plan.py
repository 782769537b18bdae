"""`medseg plan`: how nnU-Net would build and train a U-Net for a data set, decision by decision."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from medseg_lab.planning.plan import Plan


def plan(
    dataset: Annotated[str, typer.Argument(help="A data set's id, or a folder of your own.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Plan a U-Net for a data set by nnU-Net's rules: each decision with its reason."""
    from tqdm import tqdm

    from medseg_lab.data.choose import choose
    from medseg_lab.planning.fingerprint import data_fingerprint
    from medseg_lab.planning.plan import plan as planned

    chosen = choose(dataset)
    # disable=None: a bar on a terminal, nothing in a file
    with tqdm(desc="reading", total=len(chosen.reader.patients()), leave=False, disable=None) as bar:

        def read(case: str) -> None:
            bar.update()

        found = planned(data_fingerprint(chosen.reader, chosen.card, done=read))
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=1))
    else:
        print_plan(chosen.card.title, found)


def print_plan(title: str, found: "Plan") -> None:
    """A table of the decisions for all networks, then one for each network."""
    from medseg_lab.cli.tables import show

    header = ("about", "decision", "why")
    for name, decisions in [(title, found.decisions), *((s.name, s.decisions) for s in found.stages)]:
        show(name, header, [(d.about, d.choice, d.reason) for d in decisions], fixed=("about",))
