"""HTML outputs stand alone, and say what they are."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medseg_lab.evaluation.comparison import compare
from medseg_lab.evaluation.effects import Effect, Terms
from medseg_lab.evaluation.verdicts import MARKS, STATES, Verdict
from medseg_lab.show import explorer, source, style, table
from medseg_lab.show.page import show_verdicts, tree
from medseg_lab.survey.claims import claims
from medseg_lab.training.learner import Learner
from tests.evaluation.test_comparison import results

BASE = np.random.default_rng(0).uniform(0.6, 0.8, size=(2, 8, 1))
TWO = compare({"U-Net": results(BASE), "V<Net>": results(BASE + 0.05)})


def rows(markup: str) -> list[list[str]]:
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", markup)]


def test_a_table_holds_mean_interval_difference_p_seeds_and_cases(shown):
    table.table(TWO, extra={"parameters": {"U-Net": "0.5 M", "V<Net>": "1.1 M"}})
    head, first, second = rows(shown[0]["text/html"])
    assert head == ["method", "Dice, mean [95%]", "minus U-Net", "Holm p", "parameters"]
    assert first[2:] == ["", "", "0.5 M"]
    assert second[0] == "V&lt;Net&gt;"
    assert second[2:] == ["+0.050 [+0.050, +0.050]", "&lt; 0.001", "1.1 M"]
    for form in ("text/plain", "text/html"):
        assert "8 validation cases of 8 patients; 2 seeds" in shown[0][form]


def test_one_seed_is_called_that_and_nothing_is_tested():
    markup = table.table_html(compare({"a": results(BASE[:1]), "b": results(BASE[:1] + 0.1)}))
    assert rows(markup)[0] == ["method", "Dice, mean [95%]"]
    assert "one seed, so no differences are tested" in markup


def test_an_extra_column_must_be_complete():
    with pytest.raises(
        ValueError, match="extra column 'seconds': expected a text for each method, got none for V<Net>"
    ):
        table.table_html(TWO, extra={"seconds": {"U-Net": 1}})


def test_classes_have_their_own_table(shown):
    table.class_table(compare({"a": results([[[0.2, 0.4], [0.2, 0.4]]])}))
    assert rows(shown[0]["text/html"])[1] == ["a", "0.200 [0.200, 0.200]", "0.400 [0.400, 0.400]"]


def test_the_code_shown_is_the_code_that_runs(shown):
    source.source(Learner.phases)
    text = shown[0]["text/plain"]
    assert 'return [Phase("train", self.parameters(), self.losses' in text
    assert "medseg_lab.training.learner.Learner.phases, lines " in text
    markup = re.sub(r"<[^>]+>", "", shown[0]["text/html"].split("<pre")[1])
    assert "def phases" in markup


@pytest.mark.parametrize("thing", [Learner, Learner.predict, source.source, type(TWO).title, source._css])
def test_classes_methods_functions_and_properties_have_source(thing):
    code, caption = source.listing(thing)
    assert caption.startswith("medseg_lab.")
    assert compile(code, "listing", "exec")


def test_what_has_no_source_is_refused():
    with pytest.raises(ValueError, match="source: expected a function"):
        source.listing(len)


def test_docstrings_can_be_left_out_and_that_is_said():
    code, caption = source.listing(Learner, docstring=False)

    assert "def phases(self)" in code
    assert "Base of every method" not in code
    assert caption.endswith("docstrings left out")
    assert compile(code, "listing", "exec")


def test_a_body_that_is_only_a_docstring_keeps_it():
    assert source.without_docstrings('def f():\n    """Only this."""') == 'def f():\n    """Only this."""'
    assert source.without_docstrings('def f():\n    """Gone."""\n\n    return 1') == "def f():\n    return 1"


def test_code_is_escaped_and_can_be_scrolled_by_keyboard():
    markup = source.source_html("x = a < b", "here")
    assert "&lt;" in markup
    assert 'tabindex="0"' in markup


def draw(depth: int, slice: int):
    fig = style.canvas(3, 2)
    fig.add_subplot().imshow(np.full((4, 4), depth * 10 + slice))
    fig.set_label(f"depth {depth}, slice {slice}")
    return fig


def test_an_explorer_holds_every_frame_and_nothing_from_elsewhere(shown):
    explorer.explore(draw, depth=(1, 2), slice=(5, 6, 7))
    markup = shown[0]["text/html"]
    frames = json.loads(re.search(r"frames = (\[\[.*?\]\]),", markup)[1])
    assert [alt for _, alt in frames] == [f"depth {d}, slice {s}" for d in (1, 2) for s in (5, 6, 7)]
    assert not re.search(r"(src|href)=\"(?!data:)", markup)
    assert "sizes = [2, 3]" in markup
    assert markup.count('type="range"') == 2


def test_sliders_have_labels(shown):
    explorer.explore(draw, depth=(1, 2, 3), slice=(5,))
    markup = shown[0]["text/html"]
    assert set(re.findall(r'label for="([^"]+)"', markup)) == set(re.findall(r'input id="([^"]+)"', markup))
    assert 'value="1" autocomplete="off" disabled aria-valuetext="2"' in markup, "it starts in the middle"
    assert markup.index('alt="depth 2, slice 5"') < markup.index("<script>")


def test_where_few_frames_do_the_outermost_are_drawn(shown, monkeypatch):
    monkeypatch.setenv("MEDSEG_EXPLORERS", "few")
    drawn = []
    explorer.explore(lambda **at: drawn.append(at) or draw(**at), depth=(1, 2, 3), slice=range(5, 6))
    assert drawn == [{"depth": 1, "slice": 5}, {"depth": 3, "slice": 5}]


def test_where_it_need_only_work_the_outermost_frames_are_drawn_and_toys_take_few_steps(monkeypatch):
    assert explorer.drawn_values(range(5)) == [0, 1, 2, 3, 4]
    assert explorer.taken_steps(300) == 300
    monkeypatch.setenv(explorer.FEW, "few")
    assert explorer.drawn_values(range(5)) == [0, 4]
    assert explorer.drawn_values(["one"]) == ["one"]
    assert (explorer.taken_steps(300), explorer.taken_steps(3)) == (30, 1)


def test_two_explorers_on_a_page_do_not_share_ids(shown):
    explorer.explore(draw, depth=(1,), slice=(5,))
    explorer.explore(draw, depth=(1,), slice=(5,))
    ids = [re.search(r'<div id="([^"]+)"', output["text/html"])[1] for output in shown]
    assert len(set(ids)) == 2


def test_the_widget_is_in_the_same_output_as_its_twin(shown):
    explorer.explore(draw, depth=(1, 2), slice=(5,))
    assert shown[0][explorer.WIDGET]["version_major"] == 2


def test_moving_a_widgets_slider_draws_the_frame_anew():
    from ipywidgets.widgets import widget

    first = explorer.frame(draw(2, 5))
    model = explorer.live(draw, {"depth": (1, 2, 3), "slice": (5,)}, first)[explorer.WIDGET]["model_id"]
    picture, depth, _ = widget._instances[model].children
    assert depth.value == 2
    assert 'alt="depth 2, slice 5"' in picture.value
    depth.value = 3
    assert 'alt="depth 3, slice 5"' in picture.value


def test_a_frame_is_small():
    noise = style.canvas(4, 4)
    noise.add_subplot().imshow(np.random.default_rng(0).normal(size=(48, 48)), cmap="gray")
    noise.set_label("noise")
    data = base64.b64decode(explorer.frame(noise).data.split(",")[1])
    assert len(data) < 40_000
    assert Image.open(io.BytesIO(data)).size == (600, 600)


def test_a_grid_that_is_too_large_or_empty_is_refused():
    with pytest.raises(ValueError, match="grid: expected 1 to 120 frames, got 200"):
        explorer.grid_points({"a": range(20), "b": range(10)})
    with pytest.raises(ValueError, match="grid: expected 1 to 120 frames, got 0"):
        explorer.grid_points({})


def test_a_frame_needs_words():
    with pytest.raises(ValueError, match="alt"):
        explorer.frame(style.canvas(1, 1))


@pytest.mark.parametrize("state", STATES)
def test_state_and_evidence_are_words_not_colour_alone(state, shown):
    claim = claims("2.1.1")[0]
    terms = Terms("acdc", "class", 300, 100_000, "test", (20, 20))
    effect = Effect(claim, terms, 0.04, 0.02, 0.06, p=0.01, margin=0.01, seeds=3, patients=10, cases=10)
    evidence = None if state == "not run" else effect
    show_verdicts([Verdict(claim, state, "Because.", evidence, 0.01)])
    (output,) = shown
    assert claim.statement in output["text/plain"]
    assert f"{MARKS[state]} {state}" in output["text/html"]
    assert "Because." in output["text/html"]
    assert ("+0.040" in output["text/html"]) == (state != "not run")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    for name in ("a/1", "a/2", "b/1", "b/2", "b/3", "b/4", "b/5", ".hidden", "c"):
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return top


def test_long_lists_are_cut_short_and_counted(folder: Path) -> None:
    assert tree(folder).splitlines() == [
        "top/",
        "├── a/",
        "│   ├── 1",
        "│   └── 2",
        "├── b/",
        "│   ├── 1",
        "│   ├── 2",
        "│   ├── 3",
        "│   └── and 2 more",
        "└── c",
    ]


def test_one_more_is_named_rather_than_counted(folder: Path) -> None:
    (folder / "b" / "5").unlink()
    assert "└── 4" in tree(folder)
    assert "more" not in tree(folder)


def test_the_last_folder_has_no_line_beside_it(folder: Path) -> None:
    (folder / "c").unlink()
    assert tree(folder, most=9).splitlines()[-1] == "    └── 5"


def test_what_is_no_folder_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="c: expected a folder"):
        tree(folder / "c")
