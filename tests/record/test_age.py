"""An entry whose code has changed since says so, and names the files."""

from pathlib import Path

import pytest

from medseg_lab.evaluation.sample_judge import SampleJudge
from medseg_lab.record.age import age
from medseg_lab.training.notation import parse
from tests.record.record_runs import current_sources, finished, judge_sources


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def test_current_code_is_said_nothing_of(root: Path) -> None:
    found = age(finished(root, "UA-MT").record)
    assert found.current
    assert str(found) == ""


def test_a_file_that_changed_is_named_methods_first(root: Path) -> None:
    was = current_sources("UA-MT")
    old = was | dict.fromkeys(
        ("medseg_lab/training/loop.py", "medseg_lab/semi/ua_mt.py", "medseg_lab/data/view.py"), "0"
    )
    found = age(finished(root, "UA-MT", sources=old).record)
    assert str(found) == "recorded with earlier code: semi/ua_mt.py, data/view.py and 1 more"
    assert found.scoring == ()
    fewer = {name: value for name, value in was.items() if not name.endswith("ua_mt.py")}
    assert age(finished(root, "UA-MT", 1, sources=fewer).record).training == ("semi/ua_mt.py",)


def test_a_change_of_the_judge_alone_is_not_one_of_training(root: Path) -> None:
    run = finished(root, "U-Net")
    old = judge_sources("U-Net") | {"medseg_lab/evaluation/metrics.py": "0"}
    parts = run.record.parts | {"judge_sources": old}
    found = age(run.record.model_copy(update={"parts": parts}))
    assert (found.training, found.scoring) == ((), ("evaluation/metrics.py",))
    judge = parse(f"{SampleJudge.__name__}(samples=4)").to_dict()
    assert not age(run.record.model_copy(update={"judge": judge})).current


def test_a_method_that_is_gone_is_said_to_be(root: Path) -> None:
    record = finished(root, "U-Net").record
    for method in ("Vanished(network=UNet())", "Supervised(network=UNet(petals=3), spatial_dims=2)"):
        said = age(record.model_copy(update={"method": method}))
        assert str(said) == "recorded with a method that is no longer here"
