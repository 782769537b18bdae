"""Whether the words of a figure can be read."""

import itertools

from tests.show.test_comparison_figures import words


def assert_legible(fig) -> None:
    """All words are on the page, and none covers another by more than three pixels of 100 to the inch."""
    beyond = [  # ticks outside an axis' limits, which matplotlib holds and does not draw
        label
        for ax in fig.findobj(lambda found: hasattr(found, "get_yticklabels"))
        for y, label in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True)
        if not min(ax.get_ylim()) <= y <= max(ax.get_ylim())
    ]
    texts = [text for text in words(fig) if text not in beyond]
    boxes = [text.get_window_extent() for text in texts]
    page = fig.bbox
    for text, box in zip(texts, boxes, strict=True):
        inside = page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1
        assert inside, text.get_text()
    for (one, a), (two, b) in itertools.combinations(zip(texts, boxes, strict=True), 2):
        shared = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(shared) < 3, (one.get_text(), two.get_text())
