"""A table beside each method's module; mistakes in tables are found, with the name and what was expected."""

import shutil

import pytest

from medseg_lab.survey import tables
from medseg_lab.survey.claims import claims
from medseg_lab.survey.configurations import configuration, configurations
from medseg_lab.survey.methods import all_methods, methods, sections

CACHED = (tables.rows, sections, all_methods, configurations, claims)
METHOD = """
[[method]]
id = "mine"
name = "Mine"
code = "Mine"
section = "3.2"
references = [20]
idea = "An idea in one line."
chapter = "3.2"
"""
NAMED = """
[[configuration]]
name = "Mine"
method = "mine"
recipe = "Mine(network=UNet())"
"""
CLAIM = """
[[claim]]
id = "mine-is-better"
section = "3.2"
statement = "Mine is better."
better = "Mine"
worse = "U-Net"
margin = 0.01
"""


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """Puts a table beside a module of its own, in a copy of the library's tables."""
    root = tmp_path / "medseg_lab"
    shutil.copytree(tables.ROOT, root, ignore=shutil.ignore_patterns("__pycache__", "show", "checksums"))
    monkeypatch.setattr(tables, "ROOT", root)

    def put(text, module="class Mine: ..."):
        (root / "semi" / "mine.toml").write_text(text)
        if module:
            (root / "semi" / "mine.py").write_text(module)
        for cached in CACHED:
            cached.cache_clear()

    put("")
    yield put
    monkeypatch.undo()
    for cached in CACHED:
        cached.cache_clear()


def test_rows_beside_a_module_are_all_that_a_method_needs(beside):
    before = len(claims())
    beside(METHOD + NAMED + CLAIM)
    mine = methods()[[m.id for m in methods()].index("mine")]
    assert mine.path == "medseg_lab.semi.mine.Mine"
    order = [method.id for method in methods()]
    assert order.index("massl") < order.index("mine") < order.index("rfe")  # its section does not list it
    assert configuration("Mine").module == "medseg_lab.semi.mine"
    assert len(claims()) == before + 1
    assert claims("3.2")[-1].id == "mine-is-better"


@pytest.mark.parametrize(
    ("text", "ask", "said"),
    [
        (METHOD + METHOD, methods, "method 'mine' occurs twice"),
        (METHOD.replace('code = "Mine"\n', ""), methods, "mine: expected `code`, "),
        (METHOD.replace('section = "3.2"', 'section = "9.9"'), methods, "mine: expected one of the sections"),
        (METHOD.replace('id = "mine"', 'id = "rfe"'), methods, "method 'rfe' occurs twice"),
        (METHOD + NAMED + NAMED, configurations, "configuration 'Mine' occurs twice"),
        (METHOD + NAMED.replace('name = "Mine"', 'name = "U-Net"'), configurations, "'U-Net' occurs twice"),
        (METHOD + NAMED.replace('method = "mine"', 'method = "none"'), configurations, "'none'"),
        (METHOD + NAMED.replace("recipe", "# recipe"), configurations, "'Mine': expected a recipe, got none"),
        (
            METHOD + NAMED.replace("Mine(network=UNet())", "Supervised(network=UNet(), spatial_dims=2)"),
            configurations,
            "expected a recipe of its own",
        ),
        (METHOD + NAMED + CLAIM + CLAIM, claims, "claim 'mine-is-better' occurs twice"),
        (
            METHOD + NAMED + CLAIM.replace('worse = "U-Net"', 'worse = "U-Nett"'),
            claims,
            "expected one of U-Net",
        ),
        (
            METHOD + NAMED + CLAIM.replace('"3.2"', '"7"'),
            claims,
            "mine-is-better: expected one of the sections",
        ),
        ("[[methods]]\nid = 'x'", methods, "mine.toml: expected rows of method, configuration and claim"),
    ],
)
def test_mistakes_are_found(beside, text, ask, said):
    beside(text)
    with pytest.raises(ValueError, match=said):
        ask()


def test_a_table_without_its_module_is_refused(beside, tmp_path):
    (tmp_path / "medseg_lab" / "semi" / "mine.py").unlink()
    beside(METHOD, module="")
    with pytest.raises(ValueError, match=r"mine\.toml: expected the module mine\.py beside it"):
        methods()
