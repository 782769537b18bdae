"""Restored colours, drawn."""

from dataclasses import replace

import pytest
import torch
from toys import SMALL, task

from medseg_lab.data.case import Case
from medseg_lab.semi.adversaries.recolouring import ColourRestorer, lab
from medseg_lab.show.figure import described
from medseg_lab.show.recoloured import recoloured, rgb
from tests.show.legible import assert_legible


def test_what_lab_made_is_undone():
    image = torch.rand(1, 3, 5, 4) * 4 - 2
    torch.testing.assert_close(
        torch.from_numpy(rgb(*lab(image))).float(), ((image[0] + 2.5) / 5).permute(1, 2, 0), atol=2e-3, rtol=0
    )


@pytest.mark.filterwarnings("error")
def test_one_who_knows_nothing_has_the_error_of_a_grey_image():
    torch.manual_seed(0)
    restorer = ColourRestorer(replace(task(2), channels=3), network=SMALL).eval()
    restorer.colours = lambda grey: torch.zeros_like(grey.expand(-1, 2, -1, -1))
    case = Case("c", "p", torch.randn(3, 30, 24), torch.zeros(1, 30, 24, dtype=torch.uint8), None)
    fig = recoloured({"after 1 step": restorer, "after 2 steps": restorer}, case)
    assert described(fig, None).endswith("after 1 step 100%; after 2 steps 100%.")
    assert len(fig.axes) == 4
    assert_legible(fig)
