"""Images as from another scanner, and what a network makes of them (survey 5.4)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.data.catalogue import load_card
from medseg_lab.data.preprocess import zscore
from medseg_lab.data.task import Task
from medseg_lab.data.virtual.settings import read_settings
from medseg_lab.data.virtual.subject import subject
from medseg_lab.inference.predict import predict_case
from medseg_lab.outlook.other_scanner import Shift, as_from_another_scanner, distance
from medseg_lab.show.cases import case_dice
from medseg_lab.show.contours import Cut, handles, panel, small_title
from medseg_lab.show.heat_map import ratio
from medseg_lab.show.spot import Spot, fullest, slab
from medseg_lab.show.style import bars, canvas, house, look
from medseg_lab.training.segmenter import Segmenter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHIFTS: tuple[Shift, ...] = get_args(Shift)
SLICES = 3
"""Of each volume so many are predicted, about the one on which the reference marks most."""


def shifted_scans(
    learner: Segmenter, case: Case, task: Task, *, slice_axis: int = 2
) -> Callable[[float], "Figure"]:
    """A function that draws a slice from four other scanners, at a strength, with a network's outlines.

    Made for `explore(shifted_scans(learner, case, task), strength=(0.5, 1, 2, 4))`.

    Args:
        learner: of slices, trained on images of the one scanner.
        case: with a reference label.
        task: names the classes.
        slice_axis: axis across which a volume is cut.
    """
    place = fullest(case, slice_axis, task.patch)

    def draw(strength: float) -> "Figure":
        scans = {"as it is": case}
        scans |= {shift: shifted(case, shift, strength, slice_axis) for shift in SHIFTS}
        cuts, titles, said = {}, {}, []
        for name, scan in scans.items():
            found = predicted(learner, scan, slice_axis).numpy()
            dice = case_dice(found, scan.label.cpu().numpy(), task)
            far = distance(slices_first(case, slice_axis), slices_first(scan, slice_axis)).item()
            labels = {"predicted": place_of(place, scan).of(found)}
            cuts[name] = place_of(place, scan).cut(scan, labels)
            titles[name] = f"{name}\nmoved {far:.2f}\nDice {dice:.2f}"
            said.append(f"{name}: moved by {far:.2f} standard deviations, Dice {dice:.2f}")
        with house():
            fig = canvas(7.0, 6.6 / len(cuts) * ratio(cuts["as it is"]) + 1.3)
            for ax, (name, cut) in zip(fig.subplots(1, len(cuts)), cuts.items(), strict=True):
                panel(ax, cut, "predicted", len(task.classes))
                small_title(ax, titles[name])
            fig.legend(handles=handles(task), loc="outside lower center", ncols=len(task.foreground))
            fig.set_label(f"A slice at strength {strength:g}, with a network's outlines. {'; '.join(said)}.")
        return fig

    case = slab(case, slice_axis, SLICES)
    return draw


def shifted(case: Case, shift: Shift, strength: float, slice_axis: int, number: int = 0) -> Case:
    """A case as a learner of slices sees it from another scanner; the noise is that of the number."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(number)
        image = slices_first(case, slice_axis)
        kept = [s for a, s in enumerate(case.spacing or ()) if case.label.ndim == 2 or a != slice_axis % 3]
        found = as_from_another_scanner(image, shift, strength, [number] * len(image), kept)
    volume = found[0] if case.label.ndim == 2 else found.movedim(0, slice_axis % 3 + 1)
    return replace_image(case, volume)


def replace_image(case: Case, image: Tensor) -> Case:
    """The case with another image."""
    return Case(case.id, case.patient, image.contiguous(), case.labels, case.spacing)


def slices_first(case: Case, slice_axis: int) -> Tensor:
    """The slices of a case, `(N, C, H, W)`; of a case of two dimensions the one that it is."""
    return case.image[None] if case.label.ndim == 2 else case.image.movedim(slice_axis % 3 + 1, 0)


def predicted(learner: Segmenter, case: Case, slice_axis: int) -> Tensor:
    """The classes `(*S)` that a network predicts of a case."""
    return predict_case(learner, case.image, slice_axis=slice_axis).argmax(dim=0).cpu()


def place_of(place: Spot, case: Case) -> Spot:
    """The same place in the slab of a case."""
    if place.axis is None:
        return place
    return replace(place, index=fullest(case, place.axis).index)


def by_strength(
    learner: Segmenter,
    cases: Sequence[Case],
    task: Task,
    strengths: Sequence[float],
    *,
    slice_axis: int = 2,
) -> pd.DataFrame:
    """How right a network is about images from other scanners, as they differ more.

    Args:
        learner: trained on images of the one scanner.
        cases: with reference labels; of a volume, a few slices are predicted.
        task, slice_axis: as in `shifted_scans`.
        strengths: of the shifts.

    Returns:
        A row for each shift, strength and case: moved (in standard deviations), dice.
    """
    rows = []
    for number, whole in enumerate(cases):
        case = slab(whole, slice_axis, SLICES)
        for shift in SHIFTS:
            for strength in strengths:
                scan = shifted(case, shift, strength, slice_axis, number)
                dice = case_dice(predicted(learner, scan, slice_axis).numpy(), case.label.numpy(), task)
                moved = distance(slices_first(case, slice_axis), slices_first(scan, slice_axis)).item()
                row = {"shift": shift, "strength": strength, "case": case.id}
                rows.append({**row, "moved": moved, "dice": dice})
    return pd.DataFrame(rows)


def strength_curves(found: pd.DataFrame) -> "Figure":
    """Dice against the strength of each shift (left), and against how far it moves the images (right).

    Bars are 95% intervals of the mean over cases (Student's t).

    Args:
        found: as of `by_strength`.
    """
    from scipy import stats

    grouped = found.groupby(["shift", "strength"], sort=False)
    means = grouped["dice"].agg(["mean", "std", "count"]).reset_index()
    reach = stats.t.ppf(0.975, means["count"] - 1) * means["std"] / np.sqrt(means["count"])
    means = means.assign(low=means["mean"] - reach, high=means["mean"] + reach)
    means["moved"] = grouped["moved"].mean().to_numpy()
    said = []
    with house():
        fig = canvas(7.0, 3.1)
        left, right = fig.subplots(1, 2, sharey=True)
        for index, (shift, rows) in enumerate(means.groupby("shift", sort=False)):
            how = look(index)
            line: dict[str, Any] = {"color": how.colour, "marker": how.marker, "linestyle": how.line}
            at = np.arange(len(rows)) + 0.07 * (index - 1.5)
            left.errorbar(at, rows["mean"], bars(rows), label=shift, markersize=5, linewidth=1.3, **line)
            right.plot(rows["moved"], rows["mean"], markersize=5, linewidth=1.3, **line)
            first, last = rows.iloc[0], rows.iloc[-1]
            said.append(f"{shift} from {first['mean']:.2f} to {last['mean']:.2f}, moved {last['moved']:.2f}")
        strengths = list(dict.fromkeys(means["strength"]))
        left.set(xticks=range(len(strengths)), xticklabels=[f"{s:g}" for s in strengths], ylabel="Dice")
        left.set_xlabel("strength (1: the virtual variant)")
        right.set_xlabel("moved (standard deviations)")
        fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=len(SHIFTS))
        fig.set_label(f"Dice by the strength of a shift, 0 to {strengths[-1]:g}: {'; '.join(said)}.")
    return fig


def beside_variants(number: int = 0, resolution: int = 2) -> "Figure":
    """One virtual subject under the four other scanners, and as the functions make it of the plain scan.

    Above the plain scan, in the middle the variant of the card, below the function at strength 1. Written
    beneath: how far apart grey and white matter are there, and how rough white matter is, in standard
    deviations of the image.

    Args:
        number: of the subject.
        resolution: edge of a voxel in mm; 4 is quick, and coarse.
    """
    plain = subject(0, number, read_settings({"resolution": resolution}, "plain"))
    label = plain.labels[0]
    image = zscore(plain.image)
    middle, columns, said = label.shape[2] // 2, {}, []
    for shift in SHIFTS:
        virtual = load_card(f"virtual-brain+shift-{shift}").virtual
        assert virtual is not None
        settings = read_settings(virtual.settings | {"resolution": resolution}, f"shift-{shift}")
        case = Case(f"v{number}", "v", image, plain.labels, (float(resolution),) * 3)
        ours = shifted(case, shift, 1.0, 2, number)
        columns[shift] = [image, zscore(subject(0, number, settings).image), ours.image]
    rows = ("plain", "the variant", "the function")
    with house():
        fig = canvas(7.0, 6.8)
        grid = fig.subplots(3, len(SHIFTS))
        for place, (shift, images) in enumerate(columns.items()):
            for row, (ax, one) in enumerate(zip(grid[:, place], images, strict=True)):
                panel(ax, _cut(one[0, :, :, middle]), "", 0)
                apart, rough = of_tissues(one[0], label)
                ax.set_xlabel(f"apart {apart:.2f}, rough {rough:.2f}", fontsize=8)
                said.append(f"{shift}, {rows[row]}: apart {apart:.2f}, rough {rough:.2f}")
            small_title(grid[0, place], shift)
        for row, name in enumerate(rows):
            grid[row, 0].set_ylabel(name, fontsize=9)
        fig.set_label(f"A virtual subject under four scanners. {'; '.join(said)}.")
    return fig


def of_tissues(image: Tensor, label: Tensor) -> tuple[float, float]:
    """How far white matter is above grey matter, and how much neighbours in white matter differ.

    Args:
        image: `(*S)` of a virtual subject.
        label: `(*S)`, its tissues.
    """
    grey, white = (image[label == k].mean().item() for k in (2, 3))
    inside = (label[1:] == 3) & (label[:-1] == 3)
    return white - grey, image.diff(dim=0)[inside].std().item() / 2**0.5


def _cut(image: Tensor) -> Cut:
    """A slice `(H, W)` of a volume in RAS order, upright."""
    pixels = image.numpy().T[::-1]
    low, high = np.percentile(pixels, [1, 99.5])
    return Cut(pixels, {}, 1.0, (float(low), float(high)))
