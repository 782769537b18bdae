"""Whether the words of a figure can be read."""

import itertools

import numpy as np
from matplotlib.text import Text

from medseg_lab.show.style import house


def words(fig) -> list[Text]:
    """All texts that are seen, in their places; ticks outside an axis' limits are not drawn."""
    with house():
        fig.draw_without_rendering()
    beyond = []
    for ax in fig.findobj(lambda found: hasattr(found, "get_yticklabels")):
        for axis, limits in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
            labels = axis.get_ticklabels()
            places = axis.get_ticklocs() if ax.axison else [np.inf] * len(labels)
            pairs = zip(places, labels, strict=True) if labels else ()  # panels that share an axis have none
            beyond += [text for x, text in pairs if not min(limits) <= x <= max(limits)]
    seen = (text for text in fig.findobj(Text) if text.get_visible() and text.get_text().strip())
    return [text for text in seen if text not in beyond]


def assert_legible(fig) -> None:
    """All words are on the page, and none covers another by more than three pixels of 100 to the inch."""
    texts, page = words(fig), fig.bbox
    boxes = [text.get_window_extent() for text in texts]
    for text, box in zip(texts, boxes, strict=True):
        inside = page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1
        assert inside, text.get_text()
    for (one, a), (two, b) in itertools.combinations(zip(texts, boxes, strict=True), 2):
        shared = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(shared) < 3, (one.get_text(), two.get_text())
