"""A student's copy of a chapter, cut from the chapter itself, so that the two cannot drift apart."""

import json
from pathlib import Path
from typing import Any

from medseg_lab.publishing.house import Chapter, tags

YOUR_TURN = "# your turn"


def exercise(chapter: Chapter, folder: Path) -> Path:
    """Write the chapter into `folder` with its solutions emptied and its outputs removed.

    Raises:
        ValueError: if the file is there already: it may hold a student's work.
    """
    target = folder / chapter.path.name
    if target.exists():
        raise ValueError(f"exercise: {target} is there already, wanted a folder without it")
    folder.mkdir(parents=True, exist_ok=True)
    target.write_text(
        json.dumps(student_copy(chapter.notebook), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    return target


def student_copy(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook with code cells tagged `solution` emptied and no outputs; the argument stays as it is."""
    return {**notebook, "cells": [_student_cell(cell) for cell in notebook["cells"]]}


def _student_cell(cell: dict[str, Any]) -> dict[str, Any]:
    if cell["cell_type"] != "code":
        return cell
    blank = {**cell, "outputs": [], "execution_count": None}
    return {**blank, "source": YOUR_TURN} if "solution" in tags(cell) else blank
