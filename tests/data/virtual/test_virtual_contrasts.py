import numpy as np
import pytest
import torch

from medseg_lab.data.catalogue import load_card
from medseg_lab.data.virtual.scan import CHANNELS, contrasts
from medseg_lab.data.virtual.settings import Contrasts, VirtualSettings

PURE = VirtualSettings(resolution=4, texture=0, drift=0, bias=(0, 0), noise=(0, 0), thickness_mm=(4, 4))
ROWS = ("CSF", "grey", "white", "oedema", "non-enhancing", "enhancing")


@pytest.fixture(scope="module")
def means() -> dict[str, dict[str, float]]:
    """Mean intensity by contrast and tissue, over blocks of each tissue alone."""
    tissue, nested = torch.zeros(3, 60, 16, 16), torch.zeros(3, 60, 16, 16)
    for n in range(6):
        tissue[min(n, 2), 10 * n : 10 * n + 10] = 1
        nested[: max(n - 2, 0), 10 * n : 10 * n + 10] = 1
    rngs = [np.random.default_rng(i) for i in range(4)]
    images = contrasts(tissue, nested, torch.zeros(60, 16, 16), rngs, PURE)
    return {
        channel: {row: float(image[10 * n : 10 * n + 10].mean()) for n, row in enumerate(ROWS)}
        for channel, image in zip(CHANNELS, images, strict=True)
    }


def test_each_tissue_has_an_intensity_of_its_range(means):
    for channel, ranges in zip(CHANNELS, Contrasts().model_dump().values(), strict=True):
        for row, (low, high) in zip(ROWS, ranges, strict=True):
            # Tumours are mottled: their mean over a block may leave the range a little.
            assert low - 0.04 <= means[channel][row] <= high + 0.04, (channel, row)


def test_contrasts_show_what_radiologists_know_them_to_show(means):
    flair, t1, t1ce, t2 = (means[channel] for channel in CHANNELS)
    assert min(flair, key=flair.get) == "CSF"
    assert max(flair, key=flair.get) == "oedema"
    assert t1["white"] > t1["grey"] > t1["CSF"]
    assert max(t1ce, key=t1ce.get) == "enhancing"
    assert t1ce["enhancing"] > 1.5 * t1["enhancing"]
    assert max(t2, key=t2.get) == "CSF"
    assert t2["grey"] > t2["white"]
    assert t2["oedema"] > t2["grey"]


def test_the_channels_are_those_of_the_real_set_in_its_order():
    assert load_card("msd-brain-tumour").modality == CHANNELS
    assert [name.removeprefix("simulated ") for name in load_card("virtual-brain+lesion").modality] == [
        *CHANNELS
    ]
