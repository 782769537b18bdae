"""Divergences against arithmetic and SciPy."""

from math import log

import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr

from medseg_lab.losses.divergence import jensen_shannon, kullback_leibler


def test_two_certain_networks_that_contradict_each_other_are_ln_2_apart():
    # 200 is certain in all digits: the other probability is 0
    one = torch.tensor([[200.0, 0.0]]).view(1, 2, 1).requires_grad_()
    other = torch.tensor([[0.0, 200.0]]).view(1, 2, 1)
    found = jensen_shannon([one, other])
    assert found.item() == pytest.approx(log(2))
    assert torch.autograd.grad(found.sum(), one)[0].isfinite().all()
    assert jensen_shannon([one, one]).item() == 0


def test_each_voxel_has_the_divergence_that_scipy_finds():
    torch.manual_seed(0)
    logits = torch.randn(2, 2, 3, 4, 5)  # two predictions, N = 2, K = 3
    p, q = logits.softmax(2).double().numpy()
    near = {"atol": 1e-6, "rtol": 1e-5, "check_dtype": False}
    wanted = torch.tensor(jensenshannon(p, q, axis=1) ** 2)
    torch.testing.assert_close(jensen_shannon(list(logits)), wanted, **near)
    wanted = torch.tensor(rel_entr(p, q).sum(axis=1))
    torch.testing.assert_close(kullback_leibler(logits[0].softmax(1), logits[1]), wanted, **near)
