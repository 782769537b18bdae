"""A chapter is executed when anything it depends on has changed, and only then."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest

from medseg_lab.publishing import inputs as inputs_module
from medseg_lab.publishing.execute import ChapterError, Executed, run_chapter, tidied
from medseg_lab.publishing.house import House
from medseg_lab.publishing.inputs import data_identity, inputs, key
from medseg_lab.publishing.parameters import checked, declared, of_book
from tests.chapters.small import cell, small_house
from tests.sweeps.sweep_toys import until


@pytest.fixture
def house(tmp_path: Path) -> House:
    return small_house(tmp_path)


def key_of(house: House, **parameters: Any) -> str:
    chapter = house.chapter("2.1.1")
    return key(inputs(chapter, checked(chapter, parameters), house))


def run(house: House, parameters: dict[str, Any] | None = None, **options: Any) -> Executed:
    return run_chapter("2.1.1", parameters, house=house, **options)


def test_second_run_executes_nothing_until_an_input_changes_which_is_named(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(house)
    with monkeypatch.context() as patch:
        patch.setattr("papermill.execute_notebook", lambda *args, **kwargs: pytest.fail("executed again"))
        second = run(house)
    assert not first.replayed
    assert second.replayed
    assert "replayed" in str(second)
    assert second.record == first.record
    house.constraints.write_text("torch==2.14.0\n")
    assert run(house).reasons == ("lock",)


def test_a_chapter_whose_runs_have_left_the_store_is_executed_for_the_book(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDSEG_RUNS", str(tmp_path / "store"))
    record = run(house).notebook.parent / "record.json"
    said = json.loads(record.read_text()) | {"lessons": [{"runs": ["0123"]}]}
    record.write_text(json.dumps(said))
    assert run(house).replayed
    (tmp_path / "store" / "0123").mkdir(parents=True)
    assert run(house, with_runs=True).replayed
    (tmp_path / "store" / "0123").rmdir()
    again = run(house, with_runs=True)
    assert not again.replayed
    assert "changed: the run store, which lacks its runs" in str(again)
    assert run(house, with_runs=True).replayed


def test_executed_notebook_has_outputs_and_parameters_and_tells_nothing_of_the_machine(
    tmp_path: Path,
) -> None:
    """The kernel is this interpreter, with fixed hashes and no progress bars."""
    code = "import os, sys\nprint(sys.prefix, os.environ['PYTHONHASHSEED'], os.environ['MEDSEG_PROGRESS'])"
    executed = run(small_house(tmp_path, cell(code)), {"seeds": "3", "budget": "smoke"})
    notebook = nbformat.read(executed.notebook, as_version=4)
    injected = [c for c in notebook.cells if "injected-parameters" in c.metadata.get("tags", [])]
    solution = next(c for c in notebook.cells if "solution" in c.metadata.get("tags", []))
    assert [c.source.splitlines()[1:] for c in injected] == [['budget = "smoke"', "seeds = 3"]]
    assert solution.outputs[0].data["text/plain"] == "('ring',)"
    assert notebook.cells[-1].outputs[0].text.split() == [sys.prefix, "0", "0"]
    assert executed.record.parameters["seeds"] == 3
    assert executed.record.peak_memory_mb > 10
    assert str(tmp_path) not in executed.notebook.read_text()
    assert "papermill" not in notebook.metadata


def test_changed_library_file_changes_the_key_of_chapters_that_use_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key_of(house)
    real = inputs_module.sources

    def edited(name: str) -> str:
        def with_an_edit(modules: list[str], **options: bool) -> dict[str, str]:
            found = real(modules, **options)
            return found | ({name: "edited"} if name in found else {})

        monkeypatch.setattr(inputs_module, "sources", with_an_edit)
        return key_of(house)

    assert edited("medseg_lab/data/task.py") != before
    assert edited("medseg_lab/networks/unet.py") != before  # its cells name a recipe with it
    assert edited("medseg_lab/networks/vnet.py") == before


@pytest.mark.parametrize("change", ["lock", "cell", "parameter", "outputs"])
def test_every_input_changes_the_key_and_outputs_do_not(house: House, change: str) -> None:
    before, path = key_of(house), house.chapter("2.1.1").path
    if change == "lock":
        house.constraints.write_text("torch==2.14.0\n")
    if change == "cell":
        path.write_text(path.read_text().replace("ring", "disc"))
    if change == "outputs":
        notebook = nbformat.read(path, as_version=4)
        notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", text="seen")]
        notebook.cells[-1].execution_count = 7
        nbformat.write(notebook, path)
    after = key_of(house, **({"seeds": 5} if change == "parameter" else {}))
    assert (after == before) == (change == "outputs")


def test_changed_data_changes_the_identity(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text("{}")
    before = data_identity(str(tmp_path))
    (tmp_path / "dataset.json").write_text("{ }")
    assert data_identity(str(tmp_path)) != before


def test_failing_cell_is_named_and_the_notebook_kept(tmp_path: Path) -> None:
    house = small_house(tmp_path, cell("task.volume"))
    with pytest.raises(ChapterError) as caught:
        run(house)
    kept = house.executed / "2.1.1" / "failed.ipynb"
    said = "AttributeError: 'Task' object has no attribute 'volume'"
    assert str(caught.value) == f"2.1.1_small.ipynb, cell 5: {said}; see {kept}"
    assert nbformat.read(kept, as_version=4).cells[-2].outputs[0].ename == "AttributeError"
    assert not list(kept.parent.glob("*/record.json"))


def test_a_process_that_dies_is_a_failed_chapter_with_its_last_words(tmp_path: Path) -> None:
    crash = "import ctypes, faulthandler\nfaulthandler.enable()\nctypes.string_at(0)"
    house = small_house(tmp_path, cell(crash))
    with pytest.raises(ChapterError, match=r"2\.1\.1_small\.ipynb, its process ended.*; see ") as caught:
        run(house)
    kept = house.executed / "2.1.1" / "kernel.log"
    assert str(caught.value).endswith(f"; see {kept}")
    assert "Fatal Python error: Segmentation fault" in kept.read_text()
    assert "its process ended" in caught.value.line


COMMAND = """
import signal
from medseg_lab.cli.app import app
signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs the tests may have it ignored
app()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_in_a_cell_is_one_line_and_no_process_survives(tmp_path: Path, root: Path) -> None:
    small_house(tmp_path, cell("import time; open('began', 'w'); time.sleep(100)"))
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "run", "2.1.1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root), "MEDSEG_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # as in a terminal
    )
    try:
        until((tmp_path / "began").exists)
        kernels = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60)[0]
    finally:
        process.kill()
    assert process.returncode == 130
    assert said == "stopped: 2.1.1_small.ipynb begins anew with the same command; its runs are kept\n"
    assert kernels
    assert psutil.wait_procs(kernels, timeout=10)[1] == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sead": 1}, "'sead'.*known: dataset: str = 'virtual-brain'; .*seeds: int = 2"),
        ({"seeds": "two"}, "seeds: expected int, got 'two'; known: .*rate: float"),
        ({"seeds": "2.5"}, "seeds: expected int, got 2.5"),
        ({"seeds": True}, "seeds: expected int, got True"),
        ({"fast": "perhaps"}, "fast: expected bool, got 'perhaps'"),
        ({"dataset": 3}, "dataset: expected str, got 3"),
        ({"names": "U-Net"}, "names: expected list.str., got 'U-Net'"),
        ({"budget": "huge"}, "budget: .*smoke, class, full.*'huge'"),
    ],
)
def test_wrong_parameters_are_named_with_the_known_ones(
    house: House, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        run(house, given)


def test_parameters_are_read_as_their_types(house: House) -> None:
    given = {"seeds": "3", "rate": "1e-3", "fast": "true", "dataset": "3", "names": "['a=b', 'c']"}
    values = checked(house.chapter("2.1.1"), given)
    assert {name: values[name] for name in given} == {
        "seeds": 3,
        "rate": 1e-3,
        "fast": True,
        "dataset": "3",
        "names": ["a=b", "c"],
    }
    assert checked(house.chapter("2.1.1"), {})["names"] == ["U-Net"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("seeds: complex = 2", "parameter seeds: name 'complex'"),
        ("seeds: int = len('ab')", "parameter seeds: malformed"),
        ("seeds = 2", "expected an assignment with a type of str, int"),
        ("print(2)", r"expected an assignment .*, got 'print\(2\)'"),
    ],
)
def test_cells_of_parameters_that_cannot_be_read_are_refused(house: House, line: str, said: str) -> None:
    path = house.chapter("2.1.1").path
    path.write_text(path.read_text().replace("seeds: int = 2", line))
    with pytest.raises(ValueError, match=said):
        declared(house.chapter("2.1.1"))


def test_prints_that_came_in_pieces_are_one_output_on_the_page() -> None:
    pieces = [nbformat.v4.new_output("stream", name="stdout", text=text) for text in ("one\n", "two\n")]
    code = nbformat.v4.new_code_cell("print()", outputs=pieces, metadata={"papermill": {"duration": 1}})
    (found,) = tidied(nbformat.v4.new_notebook(cells=[code])).cells
    assert [output.text for output in found.outputs] == ["one\ntwo\n"]
    assert not found.metadata


@pytest.mark.parametrize(
    ("section", "budget", "dataset", "given"),
    [
        ("2.1.1", "smoke", "virtual-brain", {"dataset": "virtual-brain", "methods": "all"}),
        ("2.1.1", "class", "virtual-brain", {"dataset": "virtual-brain"}),
        ("4.2", "smoke", "virtual-brain", {"dataset": "virtual-brain+raters", "methods": "all"}),
        ("4.2", "class", "msd-hippocampus", {"dataset": "msd-hippocampus"}),
        ("run_your_own", "smoke", "virtual-brain", {}),
    ],
)
def test_a_book_gives_a_chapter_all_methods_at_smoke_and_several_outlines_where_it_is_on_uncertainty(
    root: Path, section: str, budget: str, dataset: str, given: dict[str, Any]
) -> None:
    chapter = House(root).chapter(section)
    assert of_book(chapter, dataset=dataset, budget=budget) == {"budget": budget, **given}
    assert of_book(chapter) == {}
