"""Every chapter runs on the embedded data and on a real set, and keeps the form of a chapter."""

import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import nbformat
import yaml

from medseg_lab.data.catalogue import load_card
from medseg_lab.publishing.execute import Executed
from medseg_lab.publishing.house import Chapter, source, tags
from medseg_lab.publishing.parameters import declared
from medseg_lab.survey.claims import claims
from medseg_lab.survey.configurations import configurations
from tests.chapters.conftest import CHAPTERS

LONGEST_CELL = 12


def test_chapter_runs_at_smoke(executed: Executed) -> None:
    notebook = nbformat.read(executed.notebook, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code if cell.source.strip())
    noise = [out.text for cell in code for out in cell.outputs if out.get("name") == "stderr"]
    assert not noise, "a chapter writes nothing to stderr: no warnings, no progress bars"


def test_the_methods_it_trains_are_those_of_its_claims(executed: Executed) -> None:
    """A chapter's recipes carry the configurations' names, so every claim that can be run here was."""
    names = {one.name for one in configurations() if one.recipe}
    dataset = executed.record.parameters.get("dataset") or "virtual-brain"
    dims = load_card(dataset).spatial_dims
    for lesson in executed.record.lessons:
        for claim in claims(lesson["section"]) if lesson["verdicts"] else ():
            there = claim.dims in (None, dims) and dataset in (claim.data or (dataset,))
            if {claim.better.method, claim.worse.method} <= names and there:
                state, said = lesson["verdicts"][claim.id]
                assert state != "not run", f"{claim.id}: {said}"


def test_facts_hold(executed: Executed) -> None:
    """The output of a cell tagged `fact`, as kept in the source, is what the execution gave."""
    ran = nbformat.read(executed.notebook, as_version=4)
    found = {cell.id: said(cell) for cell in ran.cells if cell.cell_type == "code"}
    kept = nbformat.read(executed.chapter.path, as_version=4)
    for cell in kept.cells:
        if "fact" in tags(cell):
            assert said(cell), f"a fact without its output: {cell.source}"
            assert found[cell.id] == said(cell), cell.source


def test_nbval_confirms_the_facts(tmp_path: Path) -> None:
    """The cells tagged `fact` need no others: among a chapter's facts alone they give what the source keeps.

    All are in one notebook, in a kernel that forgets every name between two chapters.
    """
    cells: list[nbformat.NotebookNode] = []
    for chapter in CHAPTERS:
        facts = [cell for cell in nbformat.read(chapter.path, as_version=4).cells if "fact" in tags(cell)]
        for cell in facts:
            cell.metadata["tags"] = ["nbval-check-output"]
            cell.id = uuid4().hex[:8]  # two chapters may use the same
            cell.execution_count = 1  # nbval takes a cell with outputs and no count for a mistake
        cells += [nbformat.v4.new_code_cell("%reset -f"), *facts]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "facts.ipynb")
    options = ["--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command = [sys.executable, "-m", "pytest", *options, "facts.ipynb"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert f"{len(cells)} passed" in done.stdout


def test_parameters_are_declared(chapter: Chapter) -> None:
    assert {"dataset" if chapter.is_numbered else "folder", "budget"} <= declared(chapter).keys()


def test_code_cells_are_short(chapter: Chapter) -> None:
    code = [source(cell) for cell in chapter.notebook["cells"] if cell["cell_type"] == "code"]
    long = [text for text in code if len(text.strip().splitlines()) > LONGEST_CELL]
    assert not long, f"cells of more than {LONGEST_CELL} lines:\n" + "\n---\n".join(long)


def test_only_facts_keep_their_output(chapter: Chapter) -> None:
    for cell in chapter.notebook["cells"]:
        if cell["cell_type"] == "code":
            assert ("fact" in tags(cell)) == ("keep_output" in tags(cell)) == bool(cell["outputs"]), source(
                cell
            )


def test_notebooks_are_as_the_pre_commit_hook_leaves_them(root: Path) -> None:
    hooks = yaml.safe_load((root / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    options = next(hook["args"] for hook in hooks if hook["id"] == "nbstripout")
    paths = [str(chapter.path) for chapter in CHAPTERS]
    command = [sys.executable, "-m", "nbstripout", *options, "--verify", *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run: .venv/bin/pre-commit run nbstripout --all-files\n{done.stdout}"


def said(cell: nbformat.NotebookNode) -> list[str]:
    """What a cell printed or returned, as text, line ends stripped."""
    texts = [out.get("text") or out.get("data", {}).get("text/plain", "") for out in cell.outputs]
    return [line.rstrip() for text in texts for line in text.strip().splitlines()]
