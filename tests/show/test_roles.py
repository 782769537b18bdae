"""The survey's figures 13 to 17: every box has its part, and words can be read."""

import pytest
from legible import assert_legible
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from medseg_lab.show.roles import FILLS, SCENES, roles


@pytest.mark.parametrize("name", SCENES)
def test_every_box_is_drawn_once_and_every_arrow_joins_two_of_them(name):
    scene, fig = SCENES[name], roles(name)
    ends = {end for arrow in scene.arrows for end in arrow}
    assert ends == set(scene.roles)
    drawn = fig.axes[0].patches
    assert sum(isinstance(one, FancyBboxPatch) for one in drawn) == len(scene.roles)
    assert sum(isinstance(one, FancyArrowPatch) for one in drawn) == len(scene.arrows)
    assert_legible(fig)


@pytest.mark.parametrize("name", SCENES)
def test_it_says_of_each_network_what_moves_it_and_of_nothing_else(name):
    for role in SCENES[name].roles.values():
        assert role.kind in FILLS
        assert bool(role.moved) == (role.kind == "network")


def test_a_game_that_is_not_drawn_is_refused_with_those_that_are():
    with pytest.raises(
        ValueError, match=r"name: expected one of Mean Teacher, .*Generative augmentation, .*, got 'U-Net'"
    ):
        roles("U-Net")
