"""Recipes as text: read, never evaluated; what is default is not written."""

import subprocess
import sys

import pytest
from toys import OWN_MODULE

from medseg_lab.data.task import Task
from medseg_lab.inference.prune import pruned
from medseg_lab.losses.dice import Dice, DiceCE
from medseg_lab.networks.unet import UNet
from medseg_lab.networks.unetpp import UNetPlusPlus
from medseg_lab.training import notation
from medseg_lab.training.names import recipe_called
from medseg_lab.training.notation import parse, written
from medseg_lab.training.provenance import sources
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
        recipe(Supervised, network=recipe(UNet, features=(4, 8)), loss=recipe(Dice), learning_rate=1e-3),
        recipe(pruned, learner=recipe(Supervised, network=recipe(UNetPlusPlus)), depth=2),
    ],
)
def test_reading_what_was_written_gives_the_recipe_back(one):
    assert parse(written(one)) == one
    assert written(one.to_dict()) == written(one)


def test_an_argument_with_its_default_is_not_written():
    same = recipe(
        Supervised, loss=recipe(DiceCE), network=recipe(UNet, skips=False, norm="instance"), spatial_dims=2
    )
    assert written(same) == written(PLAIN) == "Supervised(network=UNet(skips=False), spatial_dims=2)"


def test_arguments_stand_in_the_order_of_the_signature():
    one = recipe(Supervised, spatial_dims=2, loss=recipe(Dice), network=recipe(UNet))
    assert written(one) == "Supervised(network=UNet(), loss=Dice(), spatial_dims=2)"


def test_a_recipe_of_a_version_long_gone_is_written_all_the_same():
    gone = Recipe("medseg_lab.networks.gone.Net", {"depth": 3, "inner": recipe(UNet)})
    assert written(gone) == "medseg_lab.networks.gone.Net(depth=3, inner=UNet())"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("U-Net", "expected a call with keywords"),
        ("Supervised(", "expected a call such as"),
        ("Supervised(UNet())", "expected a call with keywords"),
        ("Supervised(**{})", "expected a call with keywords"),
        ("Supervised(network=UNet)", r"did you mean UNet\(\)\?"),
        ("Supervised(network=UNett())", "expected a class or function of medseg_lab .like UNet.*got 'UNett'"),
        ("Supervised(network=UNet(skip=True))", "UNet: expected one of .* skips.*, got argument 'skip'"),
        ("Supervised(network=UNet(features=8**9))", r"expected a number.*got '8 \*\* 9'"),
        ("Supervised(network=__import__('os').system('true'))", "expected"),
        ("Supervised(loss=Dice())", "Supervised: expected a value for network, got none"),
        (
            "os.system(command='true')",
            "expected a class or function of medseg_lab, of a module of your own.*got 'os.system'",
        ),
    ],
)
def test_what_is_no_recipe_is_refused_by_name(text, said):
    with pytest.raises(ValueError, match=said):
        parse(text)


def test_a_name_that_two_modules_have_is_asked_for_in_full(monkeypatch):
    twice = {"UNet": ("medseg_lab.networks.unet.UNet", "medseg_lab.networks.other.UNet")}
    known = notation.paths()
    monkeypatch.setattr(notation, "paths", lambda: known | twice)
    with pytest.raises(ValueError, match=r"expected one of medseg_lab\.networks\.unet\.UNet, medseg_lab"):
        parse("Supervised(network=UNet())")


def test_a_name_may_be_that_of_a_configuration_with_other_arguments():
    assert written(recipe_called("U-Net")) == "Supervised(network=UNet(), spatial_dims=2)"
    varied = written(recipe_called("Mean Teacher(weight=300, network=UNet())"))
    assert varied == "MeanTeacher(network=UNet(), spatial_dims=2, weight=300.0, decay=0.97)"
    assert recipe_called("Mean Teacher(decay=0.97)") == recipe_called("Mean Teacher")
    assert written(recipe_called(written(PLAIN))) == written(PLAIN)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Mean teacher", "expected one of Mean Teacher, .* or a recipe, got 'Mean teacher'"),
        ("Mean Teacher(wait=3)", "MeanTeacher: expected one of .*weight.*, got argument 'wait'"),
        ("Mean Teacher(weight=)", "expected a call such as"),
        ("Mean Teacher(weight=3, weight=4)", "expected each argument once, got 'weight' 2 times"),
    ],
)
def test_a_name_that_stands_for_nothing_is_refused(name, said):
    with pytest.raises(ValueError, match=said):
        recipe_called(name)


def test_a_network_and_a_loss_of_ones_own_are_named_by_their_file(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"a module of your own such as mine\.py"):
        recipe_called("Supervised(network=mine.MyNet())")
    (tmp_path / "mine.py").write_text(OWN_MODULE)
    text = "Supervised(network=mine.MyNet(width=5), loss=mine.MyLoss())"
    one = recipe_called(text)
    assert written(one) == text
    learner = one.build(Task(1, ("background", "a"), 2))
    assert learner.loss_name == "my_loss"
    assert learner.network.layers[0].out_channels == 5
    assert {"mine.py", "medseg_lab/training/supervised.py"} <= sources(one.modules).keys()
    with pytest.raises(
        ValueError, match=r"recipe target: expected a path inside medseg_lab, or .*, got 'mine\.My"
    ):
        type(one).from_dict(one.to_dict())  # a stored run does not import at will


def test_the_names_of_the_tables_are_known_without_torch():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from medseg_lab.training.names import names; assert len(names()) > 25;"
            "from medseg_lab.training.record import RunRecord; print('torch' in sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"


def test_a_module_of_ones_own_that_cannot_be_imported_is_named(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "half.py").write_text("def f(:")
    with pytest.raises(ValueError, match=r"half\.Net: cannot be imported: SyntaxError: .*half\.py, line 1"):
        recipe_called("Supervised(network=half.Net())")
