"""Recipes as text: read, never evaluated; what is default is not written."""

import subprocess
import sys

import pytest

from medseg_lab.inference.prune import pruned
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.unetpp import UNetPlusPlus
from medseg_lab.training import constructors
from medseg_lab.training.constructors import COMPUTED, REQUIRED, constructor
from medseg_lab.training.notation import parse, written
from medseg_lab.training.recipe import Recipe, recipe
from medseg_lab.training.supervised import Supervised

PLAIN = recipe(Supervised, network=recipe(UNet, skips=False), spatial_dims=2)


def test_a_call_is_read_as_the_recipe_it_looks_like():
    assert parse("Supervised(network=UNet(skips=False), spatial_dims=2)") == PLAIN
    assert parse(" medseg_lab.training.supervised.Supervised(network=UNet(features=(4, 8)))") == recipe(
        Supervised, network=recipe(UNet, features=[4, 8])
    )


@pytest.mark.parametrize(
    "one",
    [
        PLAIN,
        recipe(Supervised, network=recipe(UNet, features=(4, 8)), loss="dice", learning_rate=1e-3),
        recipe(pruned, learner=recipe(Supervised, network=recipe(UNetPlusPlus)), depth=2),
    ],
)
def test_reading_what_was_written_gives_the_recipe_back(one):
    assert parse(written(one)) == one
    assert written(one.to_dict()) == written(one)


def test_an_argument_with_its_default_is_not_written():
    same = recipe(
        Supervised, loss="dice_ce", network=recipe(UNet, skips=False, norm="instance"), spatial_dims=2
    )
    assert written(same) == written(PLAIN) == "Supervised(network=UNet(skips=False), spatial_dims=2)"


def test_arguments_stand_in_the_order_of_the_signature():
    one = recipe(Supervised, spatial_dims=2, loss="dice", network=recipe(UNet))
    assert written(one) == "Supervised(network=UNet(), loss='dice', spatial_dims=2)"


def test_a_recipe_of_a_version_long_gone_is_written_all_the_same():
    gone = Recipe("medseg_lab.networks.gone.Net", {"depth": 3, "inner": recipe(UNet)})
    assert written(gone) == "medseg_lab.networks.gone.Net(depth=3, inner=UNet())"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("U-Net", "wanted a call with keywords"),
        ("Supervised(", "wanted a call such as"),
        ("Supervised(UNet())", "wanted a call with keywords"),
        ("Supervised(**{})", "wanted a call with keywords"),
        ("Supervised(network=UNet)", r"did you mean UNet\(\)\?"),
        ("Supervised(network=UNett())", "'UNett', wanted a class or function of medseg_lab .like UNet"),
        ("Supervised(network=UNet(skip=True))", "UNet: got argument 'skip', wanted one of .* skips"),
        ("Supervised(network=UNet(features=8**9))", r"got '8 \*\* 9', wanted a number"),
        ("Supervised(network=__import__('os').system('true'))", "wanted"),
        ("Supervised(loss='dice')", "Supervised: got no network, wanted a value"),
        (
            "os.system(command='true')",
            "'os.system', wanted the dotted path of a class or function of medseg_lab",
        ),
    ],
)
def test_what_is_no_recipe_is_refused_by_name(text, said):
    with pytest.raises(ValueError, match=said):
        parse(text)


def test_a_name_that_two_modules_have_is_asked_for_in_full(monkeypatch):
    twice = {"UNet": ("medseg_lab.networks.unet.UNet", "medseg_lab.networks.other.UNet")}
    known = constructors.constructors()
    monkeypatch.setattr(constructors, "constructors", lambda: known | twice)
    with pytest.raises(ValueError, match=r"wanted one of medseg_lab\.networks\.unet\.UNet, medseg_lab"):
        parse("Supervised(network=UNet())")


def test_arguments_are_those_that_python_sees():
    """The syntax tree says of every public constructor what `inspect` says of the live one."""
    import importlib
    import inspect

    seen = 0
    for paths in constructors.constructors().values():
        for path in paths:
            module, _, name = path.rpartition(".")
            live = getattr(importlib.import_module(module), name)
            if not module.startswith(("medseg_lab.networks", "medseg_lab.losses", "medseg_lab.inference")):
                continue
            told = constructor(path).defaults
            if not told and live.__init__ is not object.__init__:
                continue  # its constructor is another library's
            for argument, real in inspect.signature(live).parameters.items():
                if real.kind in (real.VAR_POSITIONAL, real.VAR_KEYWORD):
                    continue
                default = told[argument]
                if default is COMPUTED:
                    continue
                wanted = REQUIRED if real.default is inspect.Parameter.empty else real.default
                assert default == (list(wanted) if isinstance(wanted, tuple) else wanted), (path, argument)
                seen += 1
    assert seen > 80


def test_a_class_without_its_own_constructor_has_that_of_its_base():
    from medseg_lab.training.learner import Learner

    assert list(constructor(f"{Learner.__module__}.Learner").defaults) == ["task"]
    assert list(constructor(f"{Supervised.__module__}.Supervised").defaults)[:2] == ["task", "network"]


def test_reading_does_not_import_torch():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from medseg_lab.training.notation import parse; parse('Supervised(network=UNet())');"
            "from medseg_lab.training.record import RunRecord; print('torch' in sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
