"""What goes on record, and what does not; nothing twice, and nothing by halves."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from medseg_lab.record import add as adding
from medseg_lab.record.add import add
from medseg_lab.record.commit import Checkout
from medseg_lab.record.store import read_entries
from medseg_lab.training.budget import Budget
from medseg_lab.training.record import read_record as read_facts
from medseg_lab.training.runs import RunStore
from tests.record.record_runs import current_sources, finished


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    for seed in range(2):
        finished(tmp_path / "runs", "U-Net", seed)
    return RunStore(tmp_path / "runs")


def keys(folder: Path) -> list[str]:
    return sorted(entry.record.key for entry in read_entries(folder))


def test_added_twice_is_added_once(store: RunStore, tmp_path: Path) -> None:
    folder = tmp_path / "record"
    first = add(store, to=folder)
    again = add(store, to=folder)
    assert (len(first.runs), again.runs, again.path) == (2, (), None)
    assert set(again.left_out.values()) == {"on record already"}
    finished(store.root, "U-Net", 2)
    assert len(add(store, to=folder).runs) == 1
    assert len(keys(folder)) == len(set(keys(folder))) == 3
    assert len(list(folder.glob("*.json.xz"))) == 2


def test_two_adds_at_once_record_each_run_once(store: RunStore, tmp_path: Path) -> None:
    folder = tmp_path / "record"
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: len(add(store, to=folder).runs), range(4)))
    assert sorted(found) == [0, 0, 0, 2]
    assert len(list(folder.glob("*.json.xz"))) == 1


def test_what_means_nothing_or_cannot_be_repeated_is_left_out_with_the_reason(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    kept = finished(root, "U-Net")
    own = {**current_sources("U-Net"), "mine.py": "aa"}
    left_out = {
        finished(root, spend="smoke").folder.name: "so short that it proves nothing",
        finished(root, spend=Budget(steps=2, voxels=100, patch=8)).folder.name: "so short",
        finished(root, "FCN-8s", parts=None).folder.name: "not scored",
        finished(root, "FCN-8s", 1, sources=own).folder.name: "a module of one's own",
        finished(root, "U-Net", started="2025-01-01T00:00:00+00:00").folder.name: "replaced by a newer run",
    }
    found = add(RunStore(root), to=tmp_path / "record")
    assert [run.folder for run in found.runs] == [kept.folder]
    assert found.left_out.keys() == left_out.keys()
    assert all(reason in found.left_out[run] for run, reason in left_out.items())


def test_filters_choose(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    finished(root, "U-Net", dataset="acdc")
    finished(root, "U-Net with dropout", dataset="acdc")
    finished(root, "Mean Teacher", dataset="acdc", labelled=2)
    finished(root, "Mean Teacher", dataset="virtual-brain")
    chosen = add(RunStore(root), section="3.2", dataset="acdc", to=tmp_path / "record").runs
    assert {run.record.cohort.labelled_patients for run in chosen} == {2, 4}
    assert len(chosen) == 2  # the floor that the section's claims need, too
    assert len(add(RunStore(root), methods=["U-Net"], to=tmp_path / "record").runs) == 1
    for wrong, said in (({"section": "9"}, "section"), ({"methods": ["V-Net"]}, "no runs"), ({"x": 1}, "x")):
        with pytest.raises(ValueError, match=said):
            add(RunStore(root), to=tmp_path / "record", **wrong)


def test_a_record_that_cannot_be_written_to_is_one_line(store: RunStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeError, match=r"cannot be written to .*--to") as error:
        add(store, to=tmp_path / "file")
    assert "\n" not in str(error.value)


def test_a_pack_that_fails_leaves_nothing(
    store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RuntimeError, match=r"json\.xz: the disk is full"):
        add(store, to=tmp_path / "record")
    assert [path.name for path in (tmp_path / "record").iterdir()] == [".lock"]


def test_home_is_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    run = finished(tmp_path / "runs")
    facts = read_facts((run.folder / "run.json").read_bytes())
    said = facts.cohort.model_copy(update={"description": "in /home/somebody/scans"})
    text = facts.model_copy(update={"cohort": said}).model_dump_json()
    (run.folder / "run.json").write_text(text)
    add(RunStore(tmp_path / "runs"), to=tmp_path / "record")
    assert read_entries(tmp_path / "record")[0].record.cohort.description == "in ~/scans"


def repository(folder: Path) -> Path:
    (folder / "medseg_lab" / "networks").mkdir(parents=True)
    for name in ("__init__.py", "networks/unet.py", "networks/fcn.py"):
        (folder / "medseg_lab" / name).write_text("")
    git = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@x"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *command], check=True)
    return folder


def test_the_commit_says_whether_the_run_s_own_files_were_changed(store: RunStore, tmp_path: Path) -> None:
    root = repository(tmp_path / "library")
    clean = Checkout(root).commit
    assert len(clean) == 10
    (root / "medseg_lab" / "networks" / "fcn.py").write_text("# edited")
    add(store, to=tmp_path / "one", checkout=Checkout(root))  # no file of a U-Net
    (root / "medseg_lab" / "networks" / "unet.py").write_text("# edited")
    add(store, to=tmp_path / "two", checkout=Checkout(root))
    said = [read_entries(tmp_path / name)[0].commit for name in ("one", "two")]
    assert said == [clean, f"{clean} with changes"]


def test_without_git_the_version_stands_for_the_commit(tmp_path: Path) -> None:
    assert Checkout(tmp_path).says([], here=True).startswith("version ")
    # a repository that does not hold the library's files says nothing of them
    subprocess.run(["git", "-C", str(tmp_path), "init", "-q"], check=True)
    assert Checkout(tmp_path).says([], here=True).startswith("version ")


def test_a_run_of_other_code_is_not_given_the_commit_of_this(store: RunStore, tmp_path: Path) -> None:
    old = finished(
        store.root, "U-Net", 7, sources=current_sources("U-Net") | {"medseg_lab/data/view.py": "0"}
    )
    add(store, to=tmp_path / "record", checkout=Checkout(repository(tmp_path / "library")))
    by_key = {entry.run: entry.commit for entry in read_entries(tmp_path / "record")}
    assert by_key.pop(old.folder.name).startswith("not ")
    assert not any(commit.startswith("not ") for commit in by_key.values())
    assert adding.unfit(old.record) == ""
