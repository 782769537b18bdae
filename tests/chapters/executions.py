"""What every execution of a chapter must keep. Two modules use it, so that two workers share the time."""

import nbformat
import pytest

from medseg_lab.data.catalogue import load_card
from medseg_lab.publishing.execute import Executed
from medseg_lab.publishing.house import tags
from medseg_lab.publishing.inputs import configurations_of
from medseg_lab.survey.claims import Claim, claims
from medseg_lab.survey.configurations import configurations
from medseg_lab.survey.methods import within


@pytest.mark.chapter
class Promises:
    """Tests of an `executed` chapter, a fixture of the module."""

    def test_chapter_runs_at_smoke(self, executed: Executed) -> None:
        notebook = nbformat.read(executed.notebook, as_version=4)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in code if cell.source.strip())
        noise = [out.text for cell in code for out in cell.outputs if out.get("name") == "stderr"]
        assert not noise, "a chapter writes nothing to stderr: no warnings, no progress bars"

    def test_the_methods_it_trains_are_those_of_its_claims(self, executed: Executed) -> None:
        """Of all sections that a chapter judges, every claim that its data can decide was run.

        Of another section than its own, every claim whose methods it names: several chapters may share it.
        """
        names = {one.name for one in configurations()}
        named = {one.name for one in configurations_of(executed.chapter)}
        dataset = executed.record.parameters.get("dataset") or "virtual-brain"
        for lesson in (one for one in executed.record.lessons if one["verdicts"]):  # a sweep has none
            others = lesson["others"]
            for claim in (one for one in claims() if one.id in lesson["verdicts"]):
                other = claim.dims not in (None, load_card(dataset).spatial_dims)  # what others are there for
                there = [n for n in (dataset, *others) if n == dataset or other or n in claim.data]
                there = [n for n in there if can_decide(claim, n)]
                asked = names if within(claim.section, lesson["section"]) else named
                if not claim.identity and set(claim.methods) <= asked and there:
                    state, said = lesson["verdicts"][claim.id]
                    assert state != "not run", f"{claim.id}: {said}"
            own = {claim.id for claim in claims(lesson["section"])}
            assert own <= lesson["verdicts"].keys()

    def test_facts_hold(self, executed: Executed) -> None:
        """The output of a cell tagged `fact`, as kept in the source, is what the execution gave."""
        ran = nbformat.read(executed.notebook, as_version=4)
        found = {cell.id: said(cell) for cell in ran.cells if cell.cell_type == "code"}
        kept = nbformat.read(executed.chapter.path, as_version=4)
        for cell in kept.cells:
            if "fact" in tags(cell):
                assert said(cell), f"a fact without its output: {cell.source}"
                assert found[cell.id] == said(cell), cell.source


def can_decide(claim: Claim, dataset: str) -> bool:
    """Whether the data set has what the claim asks for: by name, in its dimension, with millimetres."""
    card = load_card(dataset)
    in_mm = claim.metric in ("hd95", "assd", "nsd")
    return (
        claim.dims in (None, card.spatial_dims)
        and dataset in (claim.data or (dataset,))
        and not (in_mm and card.measured and card.measured.spacing is None)
    )


def said(cell: nbformat.NotebookNode) -> list[str]:
    """What a cell printed or returned, as text, line ends stripped."""
    texts = [out.get("text") or out.get("data", {}).get("text/plain", "") for out in cell.outputs]
    return [line.rstrip() for text in texts for line in text.strip().splitlines()]
