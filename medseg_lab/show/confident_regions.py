"""Where ASDNet's discriminator finds a segmentation true, and whether it is right there (survey 3.4 [74])."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.semi.adversaries.asdnet import ASDNet
from medseg_lab.show.contours import Cut, handles, in_rows, painted, panel, small_title
from medseg_lab.show.heat_map import colour_bar, heat_map, ratio
from medseg_lab.show.spot import Spot, fullest
from medseg_lab.show.style import canvas, house
from medseg_lab.training.segmenter import Segmenter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SORTS = {"wrong, left out": "#0072B2", "wrong, kept": "#D55E00", "right, left out": "#F0E442"}
"""What becomes of a pixel; right pixels that are kept have no colour."""


def of_slices(learner: Segmenter) -> ASDNet:
    """The learner, if it is an `ASDNet` of slices.

    Raises:
        ValueError: if not.
    """
    if not isinstance(learner, ASDNet):
        raise ValueError(f"learner: expected ASDNet, got {type(learner).__name__}")
    if learner.task.spatial_dims != 2:
        raise ValueError(f"learner: expected 2 spatial dimensions, got {learner.task.spatial_dims}")
    return learner


def confidence_at(learner: ASDNet, case: Case, place: Spot) -> dict[str, NDArray]:
    """What is said of one place of a case, each `(H, W)`.

    Returns:
        `predicted`, the classes; `confidence`, the discriminator's, 0 to 1; `kept`, where the classes become
        pseudo-labels; `probability`, the network's own of the class that it predicts.
    """
    image = place.image(case).to(next(learner.parameters()).device, torch.float32)
    with torch.no_grad():
        probabilities = learner.student(image)
        confidence = learner.answers(image, probabilities).sigmoid()
    probability, predicted = probabilities.max(dim=1)
    found = {"predicted": predicted, "confidence": confidence, "probability": probability}
    found["kept"] = learner.kept(confidence, predicted)
    return {name: of[0].cpu().numpy() for name, of in found.items()}


def kept_and_right(learner: Segmenter, cases: Sequence[Case], slice_axis: int = 2) -> pd.DataFrame:
    """How often pseudo-labels are right, where the discriminator keeps them and where it does not.

    Of each case the slice on which the reference marks most, around what it marks; only pixels that are
    foreground in the reference or in the prediction, since most of the others are easy.

    Args:
        learner: a trained `ASDNet` of slices.
        cases: with a reference label, which training must not have seen.
        slice_axis: axis across which a volume is cut.

    Returns:
        Rows `all`, `kept`, `left out`, and `as many by probability`: as many pixels as are kept, those of
        which the network itself is surest. Columns `share` of the pixels, and `right`: the share of these in
        which the predicted class is the reference's; nothing (NaN) for no pixel.

    Raises:
        ValueError: for no case, and as `of_slices`.
    """
    if not cases:
        raise ValueError("cases: expected one or more, got none")
    asdnet, parts = of_slices(learner), []
    for case in cases:
        place = fullest(case, slice_axis, asdnet.patch)
        found, reference = confidence_at(asdnet, case, place), place.of(case.label.cpu().numpy())
        counts = (reference != IGNORE) & ((reference > 0) | (found["predicted"] > 0))
        right = found["predicted"] == reference
        parts.append(np.stack([right, found["kept"], found["probability"]])[:, counts])
    right, kept_, probability = np.concatenate(parts, axis=1)
    kept = kept_ > 0
    surest = np.zeros_like(kept)
    surest[np.argsort(-probability, kind="stable")[: kept.sum()]] = True
    rows = {"all": kept | ~kept, "kept": kept, "left out": ~kept, "as many by probability": surest}
    of_rows = {
        name: {"share": mask.mean(), "right": right[mask].mean() if mask.any() else np.nan}
        for name, mask in rows.items()
    }
    return pd.DataFrame(of_rows).T


def confident_regions(
    learner: Segmenter, case: Case, task: Task, *, slice_axis: int = 2, channel: int | None = None
) -> "Figure":
    """A case's reference, prediction and confidence map, and which pixels become pseudo-labels.

    Args:
        learner: a trained `ASDNet` of slices.
        case: with a reference label, which training must not have seen; the slice is that on which it marks
            most.
        task: names the classes.
        slice_axis: axis across which a volume is cut.
        channel: of the image; by default the first, or the colours of a photograph.

    Raises:
        ValueError: as `of_slices`.
    """
    asdnet = of_slices(learner)
    place = fullest(case, slice_axis, asdnet.patch)
    found, reference = confidence_at(asdnet, case, place), place.of(case.label.cpu().numpy())
    known = reference != IGNORE
    kept, wrong = found["kept"], known & (found["predicted"] != reference)
    sorts = dict(zip(SORTS, (wrong & ~kept, wrong & kept, known & ~wrong & ~kept), strict=True))
    labels = {"reference": np.where(known, reference, 0), **found, **sorts}
    counts = {name: int(mask.sum()) for name, mask in sorts.items()}
    with house():
        fig = _frame(place.cut(case, labels, channel), counts, task)
        said = ", ".join(f"{name}: {count}" for name, count in counts.items())
        fig.set_label(
            f"Case {case.id}: {kept.mean():.0%} of the pixels of a slice become pseudo-labels. Pixels {said}."
        )
    return fig


def _frame(cut: Cut, counts: dict[str, int], task: Task) -> "Figure":
    from matplotlib.patches import Patch

    fig = canvas(7.0, ratio(cut) * 6.0 / 4 + 1.2)
    reference, predicted, confidence, sorted_ = fig.subplots(1, 4)
    for ax, name in ((reference, "reference"), (predicted, "predicted")):
        panel(ax, cut, name, len(task.classes))
        small_title(ax, name)
    map_ = heat_map(confidence, cut, "confidence", None, "confidence")
    colour_bar(confidence, map_)
    panel(sorted_, cut, "", 0)
    small_title(sorted_, "what becomes of it")
    for name, colour in SORTS.items():
        painted(sorted_, cut.labels[name], colour)
    patches = [Patch(facecolor=c, edgecolor="black", label=f"{n}: {counts[n]}") for n, c in SORTS.items()]
    fig.legend(**in_rows(handles(task), patches), loc="outside lower center", columnspacing=1.2)
    return fig
