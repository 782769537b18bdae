"""Which files a piece of code is made of."""

import hashlib
import sys

import pytest

from medseg_lab.training.provenance import digest, module_file, sources

FILES = {
    "__init__.py": "",
    "top.py": "import numpy\nfrom rooted.low import thing\n\ndef f():\n    from . import late\n",
    "low.py": "from .deep import leaf\nthing = 1\n",
    "late.py": "",
    "deep/__init__.py": "from ..side import x\n",
    "deep/leaf.py": "from .. import __name__\nimport rooted.top\n",
    "side.py": "x = 1\n",
    "apart.py": "import rooted.top\n",
}


@pytest.fixture
def rooted(tmp_path, monkeypatch):
    for name, text in FILES.items():
        path = tmp_path / "rooted" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    module_file.cache_clear()
    yield tmp_path / "rooted"
    module_file.cache_clear()


def test_the_closure_follows_every_kind_of_import(rooted):
    found = sources(["rooted.top"])
    assert set(found) == {f"rooted/{name}" for name in FILES if name != "apart.py"}
    exact = sources(["rooted.top"], wording=True)
    assert exact["rooted/low.py"] == hashlib.sha256(FILES["low.py"].encode()).hexdigest()
    assert exact.keys() == found.keys()
    assert not any(name.startswith("rooted") for name in sys.modules)  # read, not run


def test_a_change_anywhere_in_the_closure_changes_the_digest(rooted):
    before = digest(sources(["rooted.top"]))
    (rooted / "apart.py").write_text("# not part of it\n")
    assert digest(sources(["rooted.top"])) == before
    (rooted / "side.py").write_text("x = 2\n")
    assert digest(sources(["rooted.top"])) != before


def test_a_network_comes_with_its_blocks_and_not_with_its_siblings():
    found = sources(["medseg_lab.networks.unet"])
    assert "medseg_lab/networks/blocks.py" in found
    assert "medseg_lab/networks/vnet.py" not in found


def test_what_has_no_source_file_is_refused():
    with pytest.raises(ValueError, match="__main__"):
        sources(["__main__"])
    with pytest.raises(ValueError, match="nowhere"):
        sources(["medseg_lab.nowhere"])


def test_the_digest_does_not_depend_on_the_order_of_keys():
    assert digest({"a": 1, "b": [2, None]}) == digest({"b": [2, None], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


BEFORE = '''"""Doc."""
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import rooted.apart
def f(x):
    """Doc of f."""
    if x < 0:
        raise ValueError(f"x: got {x}")  # why
    return x + 1
'''
WORDING = (
    ('"""Doc."""', '"""Another."""'),
    ("import rooted.apart", "import rooted.side"),
    ('"""Doc of f."""', '"""f."""'),
    ("x: got", "x: expected 0 or more, got"),
    ("# why", ""),
    ("x + 1", "(x + 1)"),
)


@pytest.mark.parametrize(("old", "new"), WORDING)
def test_wording_and_layout_change_no_hash(rooted, old, new):
    (rooted / "side.py").write_text(BEFORE)
    before, exact = sources(["rooted.top"]), sources(["rooted.top"], wording=True)
    (rooted / "side.py").write_text(BEFORE.replace(old, new))
    assert sources(["rooted.top"]) == before
    assert sources(["rooted.top"], wording=True) != exact


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x + 1", "x + 2"),
        ("x < 0", "x < 1"),
        ("ValueError", "TypeError"),
        ("def f", "@print\ndef f"),
        ("    return", "    x.mul_(2)\n    return"),
    ],
)
def test_what_is_computed_does(rooted, old, new):
    (rooted / "side.py").write_text(BEFORE)
    before = sources(["rooted.top"])
    (rooted / "side.py").write_text(BEFORE.replace(old, new))
    assert sources(["rooted.top"]) != before
    assert "rooted/apart.py" not in before  # imported for type checking alone


def test_a_module_of_ones_own_comes_with_the_files_beside_it(tmp_path, monkeypatch):
    (tmp_path / "mine_a.py").write_text("import mine_b, torch\nfrom medseg_lab.networks import unet\n")
    (tmp_path / "mine_b.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = sources(["mine_a"])
    assert {"mine_a.py", "mine_b.py", "medseg_lab/networks/unet.py"} <= found.keys()
    assert not any(name.startswith("torch/") for name in found)
