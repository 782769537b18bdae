"""Where a classifier of whole images looks for each class, beside where the class is (survey 3.4)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.semi.adversaries.image_classifier import ImageClassifier
from medseg_lab.show.contours import CONTOURS, outline, panel, small_title
from medseg_lab.show.heat_map import colour_bar, heat_map, ratio
from medseg_lab.show.spot import fullest
from medseg_lab.show.style import canvas, house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 3
"""Classes that fit a page."""


def image_attention(
    classifier: ImageClassifier, cases: Mapping[str, Case], task: Task, *, slice_axis: int = 2
) -> "Figure":
    """A slice of each case with its reference, and the attention to each class, 0 to 1.

    The outline on a map surrounds what it should be high in: the class, which the classifier was never shown.

    Args:
        classifier: trained on slices.
        cases: with a reference, by name; of volumes, the slice on which most is marked.
        task: names the classes, of which the first three are shown.
        slice_axis: across which volumes are cut.
    """
    names, cuts = task.foreground[:MOST], {}
    for name, case in cases.items():
        place = fullest(case, slice_axis, least=classifier.patch)
        label = place.of(case.label.cpu().numpy())
        found = classifier.places.attention(place.image(case).float())[0].numpy()
        maps = {of: found[k] for k, of in enumerate(names)}
        truth = {f"true {of}": (label == k).astype("uint8") for k, of in enumerate(names, start=1)}
        cuts[name] = place.cut(case, {"reference": label, **maps, **truth})
    said = [
        f"{name} {inside:.2f} where it is and {outside:.2f} beside it"
        for name, (inside, outside) in attention_in_and_out(
            classifier, list(cases.values()), task, slice_axis=slice_axis
        ).items()
    ]
    columns = len(names) + 1
    high = min(2.6, 6.2 / columns * max(map(ratio, cuts.values())))
    with house():
        fig = canvas(7.0, 0.4 + high * len(cuts))
        for axes, (case_name, cut) in zip(
            fig.subplots(len(cuts), columns, squeeze=False), cuts.items(), strict=True
        ):
            panel(axes[0], cut, "reference", len(task.classes))
            small_title(axes[0], case_name)
            for k, (ax, name) in enumerate(zip(axes[1:], names, strict=True)):
                drawn = heat_map(ax, cut, name, 1.0, name)
                outline(ax, cut.labels[f"true {name}"] > 0, CONTOURS[k % len(CONTOURS)], 1.5)
        colour_bar(axes[-1], drawn, "attention")
        fig.set_label(f"Where a classifier of images looks, on average: {'; '.join(said)}.")
    return fig


def attention_in_and_out(
    classifier: ImageClassifier, cases: Sequence[Case], task: Task, *, slice_axis: int = 2
) -> dict[str, tuple[float, float]]:
    """The mean attention to each class where it is, and elsewhere in the slices that show it, by its name.

    Args:
        classifier, cases, task, slice_axis: as of `image_attention`, but of all slices of all cases.

    Returns:
        Of each class that the cases show, two numbers from 0 to 1.
    """
    sums = torch.zeros(len(task.foreground), 2, 2)  # class; where it is, elsewhere; attention, voxels
    for case in cases:
        flat = case.label.ndim == 2
        image = case.image[None] if flat else case.image.movedim(slice_axis + 1, 0)
        label = case.label[None] if flat else case.label.movedim(slice_axis, 0)
        attention = classifier.places.attention(image.float())
        for k in range(len(sums)):
            there = label == k + 1
            shown = there.flatten(1).any(dim=1)
            elsewhere = ~there & (label != IGNORE)
            for place, mask in enumerate((there[shown], elsewhere[shown])):
                sums[k, place] += torch.stack((attention[shown, k][mask].sum(), mask.sum()))
    means = (sums[..., 0] / sums[..., 1].clamp(min=1)).tolist()
    known = zip(task.foreground, means, sums[:, 0, 1].tolist(), strict=True)
    return {name: (inside, outside) for name, (inside, outside), voxels in known if voxels}
