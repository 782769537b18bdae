from math import exp

import pytest

from medseg_lab.semi.ramp import ramp_up


def test_the_ramp_by_hand():
    # exp(-5 (1 - r)^2) at r = 0, 1/4, 1/2, 9/10
    wanted = {0: exp(-5), 10: exp(-5 * 9 / 16), 20: exp(-5 / 4), 36: exp(-0.05)}
    assert {step: ramp_up(step, 40) for step in wanted} == pytest.approx(wanted)
    assert ramp_up(0, 40) < 0.01


@pytest.mark.parametrize("step", [40, 41, 1000])
def test_from_the_end_of_the_ramp_on_all_of_it_counts(step):
    assert ramp_up(step, 40) == 1.0


def test_the_ramp_never_falls_and_has_no_jump_at_its_end():
    values = [ramp_up(step, 37.5) for step in range(50)]
    assert values == sorted(values)
    assert values[37] > 0.999
    assert values[38] == 1.0


def test_a_ramp_of_no_length_is_over_at_once():
    assert ramp_up(0, 0) == 1.0
