"""`medseg data`: list, show and get data sets, and add one's own."""

from pathlib import Path
from typing import Annotated

import typer

data = typer.Typer(no_args_is_help=True, help="Data sets: list, show, get, verify, add, check.")

Id = Annotated[str, typer.Argument(metavar="ID", help="A data set's id, as `medseg data list` names it.")]
Which = Annotated[
    str, typer.Argument(metavar="ID", help="An id, with +variant where it has some, or a folder of your own.")
]


@data.command("list")
def list_sets() -> None:
    """List the known data sets, with their variants, and whether they are on this machine."""
    from medseg_lab.cli.cards import print_list

    print_list()


@data.command()
def show(
    dataset: Which,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The contact sheet; by default ID.png here.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a contact sheet.")] = False,
) -> None:
    """Show a data set: licence, classes, sizes, split, defects, addresses; draw a contact sheet (PNG)."""
    from medseg_lab.cli.cards import card_and_reader, draw, print_card

    card, reader = card_and_reader(dataset)
    path = output or Path(f"{card.id}.png")
    if output is not None and output.exists() and not overwrite:
        raise ValueError(f"{output} already exists; give another name, or --overwrite")
    print_card(card, reader)
    if reader is None:
        return
    if path.exists() and not overwrite:
        typer.echo(f"contact sheet: {path} already exists; --overwrite draws it again")
        return
    draw(card, reader, path)
    typer.echo(f"contact sheet: {path}")


@data.command()
def get(
    dataset: Id,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="You have read the licence and accept it.")
    ] = False,
    source: Annotated[
        Path | None, typer.Option("--from", help="An archive or folder that you have; nothing is downloaded.")
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option("--to", help="The target folder; by default $MEDSEG_DATA/ID or the user's cache."),
    ] = None,
) -> None:
    """Get a data set: show its licence, download, verify, unpack."""
    from medseg_lab.data.obtain.command import get as obtain

    obtain(dataset, accept_licence, source, target)


@data.command()
def verify(
    dataset: Id,
    folder: Annotated[Path | None, typer.Option("--folder", help="Its folder, if not the usual one.")] = None,
) -> None:
    """Compare the files of a data set with the published checksums."""
    from medseg_lab.data.obtain.command import check

    check(dataset, folder=folder)


@data.command()
def add(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="A folder in the MSD or nnU-Net layout, or one of images."),
    ],
    masks: Annotated[
        Path | None,
        typer.Argument(metavar="[MASKS]", help="With a folder of images: the folder of their masks."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="A folder for the card; by default that of the images, or the one with both.",
        ),
    ] = None,
) -> None:
    """Check a folder of your own, or two of images and masks, and write a draft card."""
    from medseg_lab.cli.cards import print_inspection, print_next, print_pairing
    from medseg_lab.data.own.inspection import inspect_folder, write_card
    from medseg_lab.data.own.two_folders import home_of, inspect_pairs

    if masks is None:
        found = inspect_folder(folder, output)
    else:
        pairing, found = inspect_pairs(folder, masks, output or home_of(folder, masks))
        print_pairing(pairing)
    print_inspection(found)
    found.folder.mkdir(parents=True, exist_ok=True)
    card = write_card(found)
    typer.echo(f"draft card: {card}; read it, correct it where needed, then: medseg data check {card.parent}")
    print_next(found)


@data.command("check")
def check_again(
    folder: Annotated[Path, typer.Argument(help="A folder of your own that has a card.")],
) -> None:
    """Check a folder of your own again, once you have corrected its card."""
    from medseg_lab.cli.cards import print_inspection, print_next
    from medseg_lab.data.own.inspection import check_folder

    found = check_folder(folder)
    print_inspection(found)
    print_next(found)
