"""`medseg predict` and `medseg export`: from a trained run to masks, and to a model for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from medseg_lab.cli.plain import FAILED, sentence

if TYPE_CHECKING:
    from medseg_lab.inference.apply import Applied, Segmented

RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="The beginning of a run's key, as `medseg runs` lists it, or its folder."
    ),
]
CardPath = Annotated[
    Path | None, typer.Option("--card", help="The card of the run's data, if its record does not have it.")
]
DataFolder = Annotated[
    Path | None, typer.Option("--data", help="The folder of the run's data, in place of --card.")
]


def predict(
    run: RunName,
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE...",
            help="Images, or folders of them; several channels as a file each: case_0000, case_0001, ...",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the masks.")],
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write also the probability of each class.")
    ] = False,
    uncertainty: Annotated[
        bool,
        typer.Option(
            "--uncertainty", help="Write also the entropy and the mutual information of several samples."
        ),
    ] = False,
    samples: Annotated[int, typer.Option(min=1, help="Number of samples for --uncertainty.")] = 16,
    overlay: Annotated[
        bool,
        typer.Option("--overlay", help="Draw the mask over its image (PNG): the slice with most foreground."),
    ] = False,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="auto: a CUDA card if there is one, else the CPU.")
    ] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace masks that exist already.")] = False,
    card: CardPath = None,
    data: DataFolder = None,
) -> None:
    """Segment images with a trained run; each mask has its image's own grid, place and format."""
    from medseg_lab.data.wording import counted
    from medseg_lab.inference.apply import Applied
    from medseg_lab.inference.images.as_trained import card_at
    from medseg_lab.inference.images.image_files import cases_of
    from medseg_lab.training.names import names
    from medseg_lab.training.runs import run_store

    chosen = run_store().run(run)
    given = card or data
    applied = Applied(chosen, device=device, card=card_at(given) if given else None)
    cases = cases_of([image.expanduser() for image in images], len(applied.like.channels))
    method = names().get(chosen.record.method, chosen.record.method)
    typer.echo(
        f"{method}, trained on {applied.like.data}: {counted(len(cases), 'image')} on {applied.device}"
    )
    there, failed = [], []
    for case, files in cases.items():
        try:
            found = applied(
                case,
                files,
                output,
                probabilities=probabilities,
                uncertainty=uncertainty,
                samples=samples,
                overwrite=overwrite,
            )
            typer.echo(_line(found))
            if overlay:
                typer.echo(f"  overlay: {_draw(found, applied, output, overwrite)}")
        except FileExistsError as error:
            there.append(case)
            typer.echo(f"{case}: left as it is: {error}")
        except Exception as error:  # one image does not stop the others, whatever is wrong with it
            failed.append(case)
            typer.secho(f"error: {case}: {sentence(error)}", err=True, fg="red")
    if there:
        typer.echo(f"{len(there)} of {len(cases)} masks were there already; --overwrite replaces them")
    if failed:
        said = f"error: {len(failed)} of {len(cases)} images have no mask: {', '.join(failed)}"
        typer.secho(said, err=True, fg="red")
        raise typer.Exit(FAILED)


def export(
    run: RunName,
    output: Annotated[Path, typer.Option("-o", "--output", help="The model's file, such as model.onnx.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    card: CardPath = None,
    data: DataFolder = None,
) -> None:
    """Write a trained run as an ONNX model, checked against PyTorch, for programs without this library."""
    from medseg_lab.inference.images.as_trained import card_at
    from medseg_lab.inference.onnx_file import export_run
    from medseg_lab.training.runs import run_store

    given = card or data
    found = export_run(
        run_store().run(run), output, overwrite=overwrite, card=card_at(given) if given else None
    )
    typer.echo(
        f"{found.path}: {found.megabytes:.1f} MB, input {found.shape}; {found.path.with_suffix('.json')}"
    )
    typer.echo(f"checked against PyTorch: probabilities differ by at most {found.difference:.1e}")


def _line(found: "Segmented") -> str:
    """What became of an image, with what a reader should know."""
    counts = ", ".join(f"{name} {n:,}" for name, n in list(found.voxels.items())[1:])
    slabs = ", slab by slab" if found.slabs else ""
    lines = [f"{found.case}: {found.mask} ({counts} voxels), {found.seconds:.1f} s{slabs}"]
    lines += [f"  {path}" for path in found.maps]
    return "\n".join([*lines, *(f"  warning: {said}" for said in found.warnings)])


def _draw(found: "Segmented", applied: "Applied", folder: Path, overwrite: bool) -> str:
    from medseg_lab.show.overlay import overlay

    path = folder / f"{found.case}_overlay.png"
    if path.exists() and not overwrite:
        return f"{path} exists already, and is left as it is"
    overlay(found, applied.like).savefig(path, dpi=150)
    return str(path)
