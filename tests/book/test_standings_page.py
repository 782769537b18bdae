"""The page of standings says what the comparisons say, and what it does not show."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from medseg_lab.evaluation.standings import standings
from medseg_lab.publishing.standings_page import remarks, standings_pages
from medseg_lab.record.add import add
from medseg_lab.training.runs import RunStore
from tests.book.toy_ledger import METHODS, nothing, together, toy_ledger
from tests.record.record_runs import finished, noisy

PAGE = "comparison/_standings.md"
WHOLE = standings_pages(toy_ledger(METHODS))


def page(*ledgers, **more) -> str:
    """The page of these ledgers together; by default of one comparison."""
    return (standings_pages(together(*ledgers, **more)) if ledgers else WHOLE)[PAGE].decode()


def rows(text: str, after: str) -> list[list[str]]:
    """The cells of the first table after these words, line breaks as spaces."""
    assert after in text
    lines = text.partition(after)[2].splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("| "))
    found = []
    for line in lines[first:]:
        if not line.startswith("| "):
            break
        found.append([cell.strip().replace("<br>", " ") for cell in line.strip("| ").split(" | ")])
    return [found[0], *found[2:]]


def numbers(cell: str) -> list[float]:
    return [float(n.replace("−", "-")) for n in re.findall(r"[-−+]?\d+\.?\d*", cell)]


def test_the_numbers_are_those_of_the_comparison() -> None:
    ledger = toy_ledger(METHODS)
    (standing,) = standings(ledger)
    comparison = standing.comparison(baseline="U-Net")
    head, *body = rows(page(), "### Here: budget class, test part")
    assert [row[0] for row in body] == ["FCN-8s", "U-Net", "3D U-Net"]
    assert head[2] == "minus U-Net \\[95%\\]"
    assert head[6:] == ["training", "memory", "para- meters"]
    for row in body:
        wanted = comparison.table.loc[row[0]]
        assert numbers(row[1]) == [round(wanted[name], 3) for name in ("mean", "low", "high")]
    differences = comparison.differences.set_index("first")
    for row in (body[0], body[2]):
        wanted = differences.loc[row[0]]
        assert numbers(row[2]) == [round(wanted[name], 3) for name in ("mean", "low", "high")]
        assert numbers(row[3]) == [round(wanted["holm"], 3)]
        rank = comparison.ranking.table.loc[row[0]]
        assert numbers(row[4]) == [rank["rank"], rank["low"], rank["high"]]
        assert row[5] == f"{rank['best']:.0%}"
    assert body[1][2:4] == ["", ""]


def test_the_mean_is_the_mean_of_what_was_measured() -> None:
    """Worked out from the table of cases, without a comparison."""
    ledger = toy_ledger(METHODS)
    dice = ledger.cases["dice"].groupby(ledger.cases["run"].map(ledger.runs["method"])).mean()
    body = rows(page(), "### Here: budget class, test part")[1:]
    assert {row[0]: numbers(row[1])[0] for row in body} == {name: round(dice[name], 3) for name in METHODS}


def test_costs_are_means_over_the_seeds_and_terms_are_stated() -> None:
    """Runs of the first method took 20 and 21 s, of the second 30 and 31."""
    body = rows(page(), "### Here: budget class, test part, 35 labelled patients")[1:]
    assert [numbers(row[6])[0] for row in body] == [20.0, 30.0, 40.0]
    assert [row[7] for row in body] == ["900 MB"] * 3
    assert [numbers(row[8])[0] for row in body] == [1.0, 2.0, 3.0]
    for said in ("300 steps of 100,000 voxels a run", "the seeds 0, 1.", "10 test cases of 10 patients"):
        assert said in page()


def test_methods_stand_in_the_order_of_the_configurations_whatever_their_means() -> None:
    """The U-Net is the baseline; where there is none, the first is."""
    for methods, baseline in (
        ({"V-Net": 0.9, "FCN-8s": 0.5, "U-Net": 0.7}, "U-Net"),
        ({"V-Net": 0.5, "FCN-8s": 0.9}, "FCN-8s"),
    ):
        head, *body = rows(page(toy_ledger(methods)), "### Here: budget class, test part")
        assert [row[0] for row in body] == [name for name in ("FCN-8s", "U-Net", "V-Net") if name in methods]
        assert head[2].startswith(f"minus {baseline}")


def test_data_sets_are_said_to_be_virtual_or_real_or_ones_own() -> None:
    text = page(
        *(toy_ledger(METHODS, dataset=name) for name in ("msd-hippocampus", "my_images", "virtual-brain"))
    )
    own, hippocampus, brain = (
        text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        for name in (r"my\_images", "msd-hippocampus", "virtual-brain")
    )
    assert r"A user's own folder, my\_images." in own
    assert "real data" in hippocampus
    assert "no real data" not in hippocampus
    assert "**virtual subjects, no real data**" in brain
    assert "(../data/virtual-brain.md)" in brain


def test_pictures_are_beside_the_page_described_and_each_standing_has_its_own() -> None:
    pages = standings_pages(
        together(toy_ledger(METHODS), toy_ledger(METHODS, dataset="msd-hippocampus", rng=1))
    )
    shown = re.findall(r"```\{image\} (\S+)\n:alt: (.+)\n", pages.pop(PAGE).decode())
    assert {f"comparison/{name}" for name, _ in shown} == pages.keys()
    assert len(shown) == len(pages) == len(set(pages.values())) == 4
    assert all(data.startswith(b"\x89PNG") for data in pages.values())
    forest, ranks = (alt for _, alt in shown[:2])
    assert "3D U-Net minus U-Net" in forest
    assert "rank" in ranks


def test_one_seed_is_shown_without_differences_ranks_and_pictures() -> None:
    pages = standings_pages(toy_ledger(METHODS, seeds=1))
    assert pages.keys() == {PAGE}
    head = rows(pages[PAGE].decode(), "### Here: budget class, test part")[0]
    assert not any("minus" in cell or "rank" in cell for cell in head)
    assert "one seed" in pages[PAGE].decode()


def test_classes_and_distances_are_folded_away() -> None:
    text = page()
    head, *body = rows(text, "{dropdown} Dice, class by class")
    assert head == ["method", "ring", "disc"]
    cases = toy_ledger(METHODS).cases
    method = cases["run"].map(toy_ledger(METHODS).runs["method"])
    wanted = cases["dice"].groupby([method, cases["class"]]).mean()
    for row in body:
        assert [numbers(cell)[0] for cell in row[1:]] == [round(wanted[row[0], k], 3) for k in head[1:]]
    head = rows(text, "{dropdown} Boundary distances: HD95")[0]
    assert head[1].startswith("HD95 (mm)")
    assert "training" not in head


def test_distances_are_shown_only_where_all_were_measured() -> None:
    assert "HD95" not in page(toy_ledger(METHODS, distances=False))
    some = toy_ledger(METHODS)
    some.cases.loc[0, "hd95"] = float("nan")
    assert "HD95" not in page(some)


def test_who_lacks_a_seed_is_left_out_with_the_reason() -> None:
    short = toy_ledger({"V-Net": 0.7}, seeds=1)
    short.runs.index = short.runs.index + "-v"
    short.cases["run"] += "-v"
    text = page(toy_ledger(METHODS), short)
    assert re.search(r"- \*\*Left out\.\*\* V-Net: has seed 0, not seeds 0, 1\.", text)
    assert [row[0] for row in rows(text, "### Here: budget class, test part")[1:]] == list(METHODS)


def test_what_differs_between_the_runs_is_noted() -> None:
    standing = SimpleNamespace(left_out=(), notes=("trained on cpu_1 and cuda",))
    assert remarks(standing) == [r"**Note.** Trained on cpu\_1 and cuda."]


def test_smoke_is_shown_only_where_there_is_nothing_else() -> None:
    smoke = toy_ledger(METHODS, budget="smoke", dataset="msd-hippocampus")
    alone, beside = page(smoke), page(smoke, toy_ledger(METHODS))
    assert "Proves that it runs, compares nothing" in alone
    assert "### Here: budget smoke" in alone
    assert "Proves that it runs" not in beside
    assert "### Here: budget smoke" not in beside
    assert "- 1 comparison at the budget `smoke`" in beside


def test_what_is_not_shown_is_named() -> None:
    text = page(
        toy_ledger(METHODS), toy_ledger({"V-Net": 0.7}, dataset="msd-hippocampus"), superseded=("a", "b")
    )
    hidden = text.partition("## Not shown")[2]
    assert re.search(r"- V-Net on msd-hippocampus, .*: no other method has runs on these terms", hidden)
    assert "- 2 runs of which there is a newer one" in hidden
    assert "## msd-hippocampus" not in text
    assert "## Not shown" not in page()


@pytest.mark.parametrize("ledger", [nothing(), toy_ledger({"U-Net": 0.8})], ids=["empty", "one method"])
def test_without_a_comparison_the_page_says_how_to_make_one(ledger) -> None:
    pages = standings_pages(ledger)
    assert pages.keys() == {PAGE}
    text = pages[PAGE].decode()
    assert "medseg sweep grid.toml" in text
    assert "_reading.md" not in text
    assert "_reading.md" in page()
    assert "| " not in text


def test_here_and_on_record_stand_under_one_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(3):
        for method, dice in METHODS.items():
            terms = {"dice": noisy(dice, seed, 12), "dataset": "virtual-brain", "labelled": 2}
            finished(tmp_path / "runs", method, seed, **terms)
            finished(tmp_path / "runs", method, seed, **terms, draw=1, cohort="another draw")
    monkeypatch.setenv("MEDSEG_RECORD", str(tmp_path / "record"))
    add(RunStore(tmp_path / "runs"))
    text = page(toy_ledger(METHODS))
    assert text.count("## virtual-brain") == 1
    assert re.findall(r"^### (\w+ ?\w*):", text, re.MULTILINE) == ["Here", "On record"]
    recorded = text.partition("### On record: budget class, validation part, 2 labelled patients")[2]
    assert "Trained 2026-01-01, a processor, " in recorded
    assert [row[0] for row in rows(text, "### On record")[1:]] == list(METHODS)
