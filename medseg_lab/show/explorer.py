"""A figure with sliders: live in Jupyter, and as self-contained HTML in the built book.

One function draws a frame. It is called once for every point of a grid; the frames go into the output with
a few lines of script, which needs no kernel and no network. In Jupyter, widgets call the same function.
"""

import base64
import io
import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg_lab.show.figure import PIXELS_PER_INCH, described, png
from medseg_lab.show.page import escape, fresh_id, show

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_FRAMES = 120
FEW = "MEDSEG_EXPLORERS"
"""Variable that says `few` where explorers and toys need only be proved to work."""
PICKED = "picked"
"""The id (`set_gid`) of axes in which a click sets the first two sliders: to its row and its column."""
WIDGET = "application/vnd.jupyter.widget-view+json"

SCRIPT = """
(function () {
  const root = document.getElementById(%(id)s), frames = %(frames)s, sizes = %(sizes)s, names = %(names)s;
  const picked = %(picked)s;
  const sliders = Array.from(root.querySelectorAll("input")), image = root.querySelector("img");
  function move() {
    let index = 0;
    sliders.forEach(function (slider, i) {
      index = index * sizes[i] + Number(slider.value);
      const text = names[i][slider.value];
      slider.setAttribute("aria-valuetext", text);
      slider.nextElementSibling.textContent = text;
    });
    image.src = frames[index][0];
    image.alt = frames[index][1];
  }
  if (picked) image.addEventListener("click", function (event) {
    const box = image.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width - picked[0]) / picked[2];
    const y = ((event.clientY - box.top) / box.height - picked[1]) / picked[3];
    if (x < 0 || x >= 1 || y < 0 || y >= 1) return;
    sliders[0].value = Math.floor(y * sizes[0]);
    sliders[1].value = Math.floor(x * sizes[1]);
    move();
  });
  sliders.forEach(function (slider) { slider.disabled = false; slider.addEventListener("input", move); });
})();
"""


@dataclass(frozen=True)
class Frame:
    """One picture.

    Args:
        data: as a `data:` address.
        alt: what it shows.
        width: on the page, in pixels.
        picked: left, top, width and height of the axes that take clicks, as shares of the picture; if any.
    """

    data: str
    alt: str
    width: int
    picked: tuple[float, ...] | None = None


def explore(draw_frame: Callable[..., "Figure"], **grid: Sequence[object]) -> None:
    """Display a figure with a slider for each argument of the function that draws it, each at its middle.

    Args:
        draw_frame: takes the grid's names as keywords and gives a figure with a description
            (`medseg_lab.show.figure.described`).
        grid: the values of each argument: `explore(draw, slice=range(10, 30), depth=(1, 2, 3))`. Where the
            figure has axes with the id `PICKED`, the first two are a row and a column there, and a click into
            them chooses both.

    Raises:
        ValueError: for an empty grid, or more than 120 frames, which would make a page heavy.
    """
    grid = {name: drawn_values(values) for name, values in grid.items()}
    points = grid_points(grid)
    frames = [frame(draw_frame(**point)) for point in points]
    steps = {name: [str(value) for value in values] for name, values in grid.items()}
    sizes = [len(values) for values in steps.values()]
    first = frames[int(np.ravel_multi_index([n // 2 for n in sizes], sizes))]
    plain = f"[explorer: {', '.join(f'{name} ({len(values)} values)' for name, values in steps.items())}]"
    show(twin(frames, first, steps), plain, **live(draw_frame, grid, first))


def drawn_values(values: Sequence[Any]) -> list[Any]:
    """Those of a slider's values that are drawn: all, or the outermost where that proves enough (`FEW`)."""
    return [*values][:: max(1, len(values) - 1)] if os.environ.get(FEW) == "few" else [*values]


def taken_steps(steps: int) -> int:
    """How many of a toy's training steps are taken: all, or a tenth where that proves enough (`FEW`)."""
    return max(1, steps // 10) if os.environ.get(FEW) == "few" else steps


def grid_points(grid: Mapping[str, Sequence[object]]) -> list[dict[str, Any]]:
    """Every combination, the last argument moving fastest."""
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    if not grid or not 1 <= len(points) <= MOST_FRAMES:
        raise ValueError(f"grid: expected 1 to {MOST_FRAMES} frames, got {len(points) if grid else 0}")
    return points


def frame(fig: "Figure") -> Frame:
    """A figure as a small picture: 256 colours are enough for grey images with lines."""
    from PIL import Image

    buffer = io.BytesIO()
    picture = Image.open(io.BytesIO(png(fig, dpi=round(1.5 * PIXELS_PER_INCH)))).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    data = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    boxes = [ax.get_position() for ax in fig.axes if ax.get_gid() == PICKED]
    picked = [(box.x0, 1 - box.y1, box.width, box.height) for box in boxes]
    width = round(fig.get_figwidth() * PIXELS_PER_INCH)
    return Frame(data, described(fig), width, picked[0] if picked else None)


def twin(frames: Sequence[Frame], first: Frame, steps: Mapping[str, Sequence[str]]) -> str:
    """The explorer as HTML. Without scripts it is its first frame; its sliders obey the arrow keys."""
    root = fresh_id("explorer")
    sliders = ""
    for number, (name, texts) in enumerate(steps.items()):
        id, start = f"{root}-{number}", len(texts) // 2
        sliders += (
            '<div style="display:flex;gap:.8em;align-items:center;max-width:34em;margin:.3em 0">'
            f'<label for="{id}" style="min-width:7em">{escape(name)}</label>'
            f'<input id="{id}" type="range" min="0" max="{len(texts) - 1}" step="1" value="{start}" '
            f'autocomplete="off" disabled aria-valuetext="{escape(texts[start])}" style="flex:1">'
            f'<output for="{id}" style="min-width:5em">{escape(texts[start])}</output></div>'
        )
    values = {
        "id": root,
        "frames": [[picture.data, picture.alt] for picture in frames],
        "sizes": [len(texts) for texts in steps.values()],
        "names": list(steps.values()),
        "picked": first.picked,
    }
    script = SCRIPT % {name: json.dumps(value).replace("</", "<\\/") for name, value in values.items()}
    label = escape("Explorer: " + ", ".join(steps))
    return (
        f'<div id="{root}" class="medseg-explorer" role="group" aria-label="{label}">'
        f"{_picture(first)}{sliders}</div><script>{script}</script>"
    )


def live(
    draw_frame: Callable[..., "Figure"], grid: Mapping[str, Sequence[object]], first: Frame
) -> dict[str, Any]:
    """The widgets, as one more representation of the output; none where ipywidgets is not installed."""
    try:
        import ipywidgets
    except ImportError:
        return {}
    sliders = {
        name: ipywidgets.SelectionSlider(
            options=[(str(value), value) for value in values],
            value=values[len(values) // 2],
            description=name,
            style={"description_width": "initial"},
        )
        for name, values in grid.items()
    }
    picture = ipywidgets.HTML(_picture(first))

    def move(_: object) -> None:
        point = {name: slider.value for name, slider in sliders.items()}
        picture.value = _picture(frame(draw_frame(**point)))

    for slider in sliders.values():
        slider.observe(move, names="value")
    box = ipywidgets.VBox([picture, *sliders.values()])
    return {WIDGET: {"model_id": box.model_id, "version_major": 2, "version_minor": 0}}


def _picture(shown: Frame) -> str:
    style = f"width:{shown.width}px;max-width:100%;height:auto;background:#fff"
    return f'<img src="{shown.data}" alt="{escape(shown.alt)}" aria-live="polite" style="{style}">'
