"""Device, precision and layout are chosen in the open."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from medseg_lab.training import device


@pytest.mark.parametrize(("able", "wanted"), [(True, "bf16-mixed"), (False, "32-true")])
def test_auto_takes_bfloat16_where_the_processor_has_it(monkeypatch, able, wanted):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: able, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    found = device.hardware(device.make_fabric(accelerator="cpu"))
    assert found.precision == wanted
    assert found.device == "cpu"
    assert found.threads == 1
    assert wanted in str(found)


def test_a_pytorch_without_the_private_test_counts_as_a_no(monkeypatch):
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert not device.fast_bfloat16("cpu")


def test_a_stated_precision_is_kept():
    assert device.hardware(device.make_fabric("32-true", accelerator="cpu")).precision == "32-true"


def test_channels_last_changes_the_layout_and_no_value():
    net = nn.Sequential(nn.Conv3d(2, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 2))
    before = [p.clone() for p in net.parameters()]
    device.lay_out(net)
    assert net[0].weight.is_contiguous(memory_format=torch.channels_last_3d)
    assert net[1].weight.is_contiguous(memory_format=torch.channels_last)
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_volumes_lie_plainly_on_a_card_and_all_else_with_the_channels_innermost():
    assert device.memory_format("cuda", 3) is torch.contiguous_format
    assert device.memory_format("cuda", 2) is device.memory_format("cpu", 2) is torch.channels_last
    assert device.memory_format("cpu", 3) is torch.channels_last_3d


def test_memory_is_that_of_the_process_not_of_the_one_that_started_it():
    ballast = torch.ones(100_000_000)  # 400 MB
    script = "from medseg_lab.training.device import *; print(peak_memory_mb(torch.device('cpu')))"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    here = device.peak_memory_mb(torch.device("cpu"))
    assert float(said) < here - ballast.nbytes / 1e6 / 2


def test_memory_is_counted_in_megabytes():
    assert 50 < device.peak_memory_mb(torch.device("cpu")) < 100_000
