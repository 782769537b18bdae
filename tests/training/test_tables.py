"""Tables of cases: many read as one, broken ones named."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medseg_lab.training.tables import read_table, read_tables

HEADER = "part,case,patient,class,dice,hd95"
ROW = "test,c1,p1,disc,0.5,3.25"


def written(folder: Path, **texts: str) -> dict[str, Path]:
    """Files with these texts, by run."""
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.csv" for name in texts}


def test_many_tables_are_the_rows_of_each_in_the_given_order(tmp_path):
    files = written(
        tmp_path,
        b=f"{HEADER}\n{ROW}\ntest,c2,p1,disc,1.0,0.0\n",
        a=f"{HEADER}\ntest,c1,p1,disc,0.25,inf\n",
    )
    found, broken = read_tables(files)
    assert broken == {}
    assert found["run"].tolist() == ["b", "b", "a"]
    assert found["case"].tolist() == ["c1", "c2", "c1"]
    assert found["dice"].tolist() == [0.5, 1.0, 0.25]
    assert found["hd95"].tolist() == [3.25, 0.0, np.inf]


def test_tables_with_other_columns_keep_their_places(tmp_path):
    files = written(
        tmp_path,
        one=f"{HEADER}\n{ROW}\n",
        two="part,case,patient,class,dice\ntest,c1,p1,disc,0.75\n",
        three=f"{HEADER}\n{ROW}\n",
    )
    found, broken = read_tables(files)
    assert (found["run"].tolist(), broken) == (["one", "two", "three"], {})
    assert found["dice"].tolist() == [0.5, 0.75, 0.5]
    assert np.isnan(found["hd95"][1])


def test_names_are_text_whatever_they_look_like(tmp_path):
    text = f'{HEADER}\ntest,007,None,NA,0.5,1\ntest,"a, b",nan,"two\nlines",0.5,2\n'
    files = written(tmp_path, odd=text, plain=f"{HEADER}\n{ROW}\n")
    found, broken = read_tables(files)
    assert broken == {}
    assert found["case"].tolist() == ["007", "a, b", "c1"]
    assert found["patient"].tolist() == ["None", "nan", "p1"]
    assert found["class"].tolist() == ["NA", "two\nlines", "disc"]
    assert found["run"].tolist() == ["odd", "odd", "plain"]
    assert read_table(files["odd"])["patient"].tolist() == ["None", "nan"]


def test_a_value_that_was_not_measured_is_missing(tmp_path):
    files = written(tmp_path, one=f"{HEADER}\ntest,c1,p1,disc,0.5,\n")
    assert read_tables(files)[0]["hd95"].isna().all()
    assert read_table(files["one"])["hd95"].isna().all()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{HEADER}\n{ROW}\ntest,c2,p1,disc,0.7", "cut off"),
        (f"{HEADER}\n{ROW}\ntest,c2,p1\n{ROW}\n", "another length"),
        (f"{HEADER}\n{ROW},9\ntest,c2,p1,disc,0.7\n", "another length"),
        (f'{HEADER}\n"test",c2,p1\n', "another length"),
        (f"{HEADER}\n", "a row for each case"),
        ("", "got no case, class, patient"),
        ("part,case,class,dice\ntest,c1,disc,0.5\n", "got no patient"),
        ("part,case,patient,class\ntest,c1,p1,disc\n", "one column with a metric or more, got none"),
        (f"{HEADER}\ntest,c1,p1,disc,good,3.25\n", "good"),
    ],
)
def test_a_broken_table_is_named_and_the_others_are_read(tmp_path, text, reason):
    files = written(tmp_path, good=f"{HEADER}\n{ROW}\n", bad=text, fine=f"{HEADER}\n{ROW}\n")
    found, broken = read_tables(files)
    assert found["run"].tolist() == ["good", "fine"]
    assert list(broken) == ["bad"]
    assert reason in broken["bad"]
    assert "\n" not in broken["bad"]


def test_a_file_that_is_no_text_is_broken(tmp_path):
    files = written(tmp_path, good=f"{HEADER}\n{ROW}\n")
    (tmp_path / "bad.csv").write_bytes(HEADER.encode() + b"\ntest,\xff\xfe,p1,disc,0.5,1\n")
    found, broken = read_tables({**files, "bad": tmp_path / "bad.csv"})
    assert found["run"].tolist() == ["good"]
    assert list(broken) == ["bad"]


def test_a_file_that_is_gone_gives_neither_rows_nor_a_reason(tmp_path):
    files = written(tmp_path, good=f"{HEADER}\n{ROW}\n")
    found, broken = read_tables({"gone": tmp_path / "nowhere" / "cases.csv", **files})
    assert (found["run"].tolist(), broken) == (["good"], {})


def test_nothing_is_an_empty_table():
    found, broken = read_tables({})
    assert (len(found), broken) == (0, {})
    assert {"run", "part", "case", "patient", "class"} <= set(found.columns)


def test_many_tables_agree_with_each_alone(tmp_path):
    draw = np.random.default_rng(0)
    files = {}
    for number in range(20):
        table = pd.DataFrame(
            {"part": "test", "case": [f"c{n}" for n in range(5)], "patient": "p", "class": "k"}
        )
        table["dice"] = draw.uniform(size=5)
        files[f"run{number}"] = tmp_path / f"{number}.csv"
        table.to_csv(files[f"run{number}"], index=False)
    found, _ = read_tables(files)
    for name, path in files.items():
        own = found[found["run"] == name].drop(columns="run").reset_index(drop=True)
        pd.testing.assert_frame_equal(own, read_table(path))
