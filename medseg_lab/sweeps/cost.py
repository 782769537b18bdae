"""What training on a data set of one's own will take, timed on one of its cases."""

from medseg_lab.data.choose import choose
from medseg_lab.data.cohort import Cohort
from medseg_lab.data.loading import Loader
from medseg_lab.data.wording import counted
from medseg_lab.workers.cluster import cores
from medseg_lab.workers.progress import spelled

METHOD, BUDGET = "U-Net", "class"
RUNS = 6
"""Trainings of the page `run_your_own`: three methods, two seeds."""


def cost_text(dataset: str, case: str) -> str:
    """What a training and `RUNS` of them will take on this machine, and how this was found out.

    Args:
        dataset: as of `load_cohort`.
        case: of it; a few training steps are timed on it.
    """
    from medseg_lab.training.budget import budget
    from medseg_lab.training.device import make_fabric
    from medseg_lab.training.names import recipe_called
    from medseg_lab.training.step_time import step_seconds

    spent = budget(BUDGET)
    seconds = spent.steps * step_seconds(recipe_called(METHOD), _of_one_case(dataset, case), spent)
    on_card = make_fabric().device.type != "cpu"
    side_by_side = 1 if on_card else min(cores(), RUNS)
    where = "the GPU" if on_card else counted(side_by_side, "core")
    return (
        f"A {METHOD} at budget {BUDGET} trains for about {spelled(seconds)}; {RUNS} trainings like this take "
        f"about {spelled(seconds * RUNS / side_by_side)} on {where} with nothing else to do "
        f"({spent.steps} steps, of which a few were just timed on {case}). "
        "Other methods take more or less time; scoring is not included."
    )


def _of_one_case(dataset: str, case: str) -> Cohort:
    """A cohort whose one case is for training."""
    chosen = choose(dataset)
    ((found, _),) = Loader(chosen.card, chosen.reader, chosen.reader.patients()).load([case])
    return Cohort(chosen.card, (found,), (), (), fingerprint="", total=1, test_size=0, sealed=tuple)
