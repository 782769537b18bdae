"""What a data set of one's own will cost."""

from medseg_lab.sweeps import cost
from medseg_lab.training import step_time
from tests.sweeps.sweep_toys import toy_folder


def test_six_trainings_share_the_cores(tmp_path, monkeypatch):
    timed = []

    def step_seconds(recipe, cohort, budget):
        timed.extend(case.id for case in cohort.labelled)
        return 2.0

    monkeypatch.setattr(step_time, "step_seconds", step_seconds)
    monkeypatch.setattr(cost, "cores", lambda: 4)
    said = cost.cost_text(str(toy_folder(tmp_path / "toy", cases=2)), "toy_001")
    assert timed == ["toy_001"]
    assert "trains for about 10 min; 6 trainings like this take about 15 min on 4 cores" in said  # 300 x 2 s
