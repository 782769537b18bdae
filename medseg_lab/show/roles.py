"""Who is given what where several networks train, and what moves whom: figures 13 to 17 of the survey."""

from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any

from medseg_lab.show.style import canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 0.84, 0.76  # of a box, in columns and rows
LETTERS = 15  # that fit into a box
FILLS = {"given": "#fff3d6", "network": "#e8f1f8", "made": "#ffffff", "question": "#eeeeee"}
"""The kinds of boxes: what there is, networks, what they make, and what is asked of them in the end."""


@dataclass(frozen=True)
class Role:
    """A box.

    Args:
        kind: one of `FILLS`.
        place: column and row.
        moved: of a network: what moves it.
    """

    kind: str
    place: tuple[float, float]
    moved: str = ""


@dataclass(frozen=True)
class Scene:
    """Several networks, or parts of one, in training.

    Args:
        title: what is drawn.
        roles: the boxes by what is written in them.
        arrows: from which box to which.
    """

    title: str
    roles: dict[str, Role]
    arrows: tuple[tuple[str, str], ...]


SCENES = {
    "Mean Teacher": Scene(
        "Agree with one's own past (Mean Teacher, figure 13)",
        {
            "any image": Role("given", (0, 0.5)),
            "with noise": Role("made", (1, 0)),
            "with other noise": Role("made", (1, 1)),
            "student": Role("network", (2, 0), "task, agreement"),
            "teacher": Role("network", (2, 1), "the student's weights"),
            "student's prediction": Role("made", (3, 0)),
            "teacher's prediction": Role("made", (3, 1)),
            "task: like the label?": Role("question", (4, 0)),
            "agreement: alike?": Role("question", (4, 1)),
        },
        (
            ("any image", "with noise"),
            ("any image", "with other noise"),
            ("with noise", "student"),
            ("with other noise", "teacher"),
            ("student", "teacher"),
            ("student", "student's prediction"),
            ("teacher", "teacher's prediction"),
            ("student's prediction", "task: like the label?"),
            ("student's prediction", "agreement: alike?"),
            ("teacher's prediction", "agreement: alike?"),
        ),
    ),
    "MASSL": Scene(
        "Segment, and rebuild the image (MASSL, figure 14)",
        {
            "any image": Role("given", (0, 0.5)),
            "encoder": Role("network", (1, 0.5), "task, rebuilding"),
            "decoder, to segment": Role("network", (2, 0), "task"),
            "decoder, to rebuild": Role("network", (2, 1), "rebuilding"),
            "class of each voxel": Role("made", (3, 0)),
            "image, once a class": Role("made", (3, 1)),
            "task: like the label?": Role("question", (4, 0)),
            "where its class is: like the image?": Role("question", (4, 1)),
        },
        (
            ("any image", "encoder"),
            ("encoder", "decoder, to segment"),
            ("encoder", "decoder, to rebuild"),
            ("decoder, to segment", "class of each voxel"),
            ("decoder, to rebuild", "image, once a class"),
            ("class of each voxel", "task: like the label?"),
            ("class of each voxel", "where its class is: like the image?"),
            ("image, once a class", "where its class is: like the image?"),
        ),
    ),
    "Generative augmentation": Scene(
        "Make images (generative augmentation, figure 15)",
        {
            "labelled image": Role("given", (0, 0)),
            "noise": Role("given", (0, 1)),
            "generator": Role("network", (1, 0.5), "task, discriminator"),
            "warp, or intensities": Role("made", (2, 0.5)),
            "generated image, label": Role("made", (3, 0)),
            "all images": Role("given", (3, 1)),
            "segmenter": Role("network", (4, 0), "task"),
            "discriminator": Role("network", (4, 1), "its answers"),
            "task: like the label?": Role("question", (5, 0)),
            "real or generated?": Role("question", (5, 1)),
        },
        (
            ("labelled image", "generator"),
            ("noise", "generator"),
            ("generator", "warp, or intensities"),
            ("warp, or intensities", "generated image, label"),
            ("labelled image", "generated image, label"),
            ("generated image, label", "segmenter"),
            ("generated image, label", "discriminator"),
            ("all images", "discriminator"),
            ("segmenter", "task: like the label?"),
            ("discriminator", "real or generated?"),
        ),
    ),
    "Deep adversarial network": Scene(
        "Judge segmentations (deep adversarial network, figure 16)",
        {
            "labelled image": Role("given", (0, 0)),
            "unlabelled image": Role("given", (0, 1)),
            "segmenter": Role("network", (1, 0.5), "task, evaluator"),
            "labelled image, segmented": Role("made", (2, 0)),
            "unlabelled image, segmented": Role("made", (2, 1)),
            "evaluator": Role("network", (3, 1), "its answers"),
            "task: like the label?": Role("question", (4, 0)),
            "labelled or unlabelled?": Role("question", (4, 1)),
        },
        (
            ("labelled image", "segmenter"),
            ("unlabelled image", "segmenter"),
            ("segmenter", "labelled image, segmented"),
            ("segmenter", "unlabelled image, segmented"),
            ("labelled image, segmented", "task: like the label?"),
            ("labelled image, segmented", "evaluator"),
            ("unlabelled image, segmented", "evaluator"),
            ("evaluator", "labelled or unlabelled?"),
        ),
    ),
    "Re-colouring": Scene(
        "Solve another task first (re-colouring, figure 17)",
        {
            "unlabelled image": Role("given", (0, 0.5)),
            "its grey values": Role("made", (1, 0)),
            "its colours": Role("made", (1, 1)),
            "network, to colour": Role("network", (2, 0), "colours, discriminator"),
            "restored colours": Role("made", (3, 0)),
            "discriminator": Role("network", (4, 0.5), "its answers"),
            "true or restored?": Role("question", (5, 0.5)),
            "labelled image": Role("given", (1, -1)),
            "network, to segment": Role("network", (2, -1), "task (its last layers)"),
            "segmentation": Role("made", (3, -1)),
            "task: like the label?": Role("question", (4, -1)),
        },
        (
            ("unlabelled image", "its grey values"),
            ("unlabelled image", "its colours"),
            ("its grey values", "network, to colour"),
            ("network, to colour", "restored colours"),
            ("restored colours", "discriminator"),
            ("its colours", "discriminator"),
            ("discriminator", "true or restored?"),
            ("network, to colour", "network, to segment"),
            ("labelled image", "network, to segment"),
            ("network, to segment", "segmentation"),
            ("segmentation", "task: like the label?"),
        ),
    ),
}


def roles(name: str) -> "Figure":
    """Boxes and arrows; in the box of a network stands what moves it.

    Args:
        name: of the configuration: one of `SCENES`.

    Raises:
        ValueError: for another one, naming those there are.
    """
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch

    if name not in SCENES:
        raise ValueError(f"name: expected one of {', '.join(SCENES)}, got {name!r}")
    scene = SCENES[name]
    columns, rows = ([role.place[axis] for role in scene.roles.values()] for axis in (0, 1))
    with house():
        fig = canvas(7.0, 0.78 * (max(rows) - min(rows) + 1) + 0.75)
        ax: Any = fig.add_subplot()
        ax.axis("off")
        ax.set(xlim=(-0.5, max(columns) + 0.5), ylim=(max(rows) + 0.5, min(rows) - 0.5))
        ax.set_title(scene.title, fontsize=10, weight="bold", loc="left")
        boxes = {}
        for text, role in scene.roles.items():
            (x, y), words = role.place, fill(text, LETTERS)
            boxes[text] = FancyBboxPatch(
                *((x - WIDTH / 2, y - HEIGHT / 2), WIDTH, HEIGHT),
                boxstyle="round,pad=0,rounding_size=0.06",
                facecolor=FILLS[role.kind],
                edgecolor="#444444",
                zorder=3,
            )
            ax.add_patch(boxes[text])
            middle: dict[str, Any] = {"ha": "center", "va": "center", "zorder": 4}
            if role.moved:
                moved = fill(f"moved by: {role.moved}", 18)
                ax.text(x, y - 0.21, words, fontsize=7.5, weight="bold", **middle)
                ax.text(x, y + 0.13, moved, fontsize=6.5, **middle)
            else:
                ax.text(x, y, words, fontsize=7.5, **middle)
        for source, target in scene.arrows:
            ends = (scene.roles[one].place for one in (source, target))
            line: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 9, "color": "#444444", "lw": 1.2}
            line |= {"patchA": boxes[source], "patchB": boxes[target], "shrinkA": 1, "shrinkB": 1}
            ax.add_patch(FancyArrowPatch(*ends, **line, zorder=2))
        kinds = {role.kind for role in scene.roles.values()}
        patches = [
            Patch(facecolor=colour, edgecolor="#444444", label=kind)
            for kind, colour in FILLS.items()
            if kind in kinds
        ]
        fig.legend(handles=patches, loc="outside lower center", ncols=4, fontsize=8)
        fig.set_label(f"{scene.title}: {'; '.join(map(' to '.join, scene.arrows))}.")
    return fig
