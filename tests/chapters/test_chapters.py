"""Every chapter keeps the form of a chapter, and its facts hold alone."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import nbformat
import yaml

from medseg_lab.publishing.house import Chapter, source, tags
from medseg_lab.publishing.parameters import declared
from tests.chapters.conftest import CHAPTERS

LONGEST_CELL = 12
OWN_DATA = {"2.1.4": "('virtual-brain+lesion',)"}
"""Chapters whose question needs other data than their neighbours': a cascade, regions inside one another."""


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


def test_the_chapters_of_a_part_open_on_the_same_terms() -> None:
    """So their runs are shared: the U-Net of 4.1.1 is that of 4.1.2 and 4.2."""
    terms: dict[str, set[str]] = {}
    for chapter in CHAPTERS:
        if chapter.is_numbered:
            calls = [node for cell in chapter.notebook["cells"] for node in opened(cell)]
            assert len(calls) == 1
            if chapter.section in OWN_DATA:
                assert calls[0].pop("prefer") == OWN_DATA[chapter.section]
            terms.setdefault(chapter.section[0], set()).add(str(sorted(calls[0].items())))
    assert {part: len(found) for part, found in terms.items()} == dict.fromkeys(terms, 1)


def named(tree: ast.Module) -> list[ast.Assign]:
    """The assignments of a cell."""
    return [node for node in tree.body if isinstance(node, ast.Assign)]


def opened(cell: dict[str, Any]) -> Iterator[dict[str, str]]:
    """What a cell opens a chapter with, besides the section; names are replaced by what they are set to."""
    if cell["cell_type"] != "code" or "chapter.open(" not in source(cell):
        return
    tree = ast.parse(source(cell))
    values = {ast.unparse(node.targets[0]): ast.unparse(node.value) for node in named(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "chapter.open":
            said = {k.arg or "": ast.unparse(k.value) for k in node.keywords}
            yield {name: values.get(value, value) for name, value in said.items()}


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
