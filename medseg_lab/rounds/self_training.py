"""Self-training (survey 3.1, eq. 9): predict the images without labels, train on the predictions, repeat."""

from medseg_lab.rounds.rounds import Rounds


class SelfTraining(Rounds):
    """A network is its own teacher.

    What it got wrong is among the labels of the next round, and nothing contradicts it: `confidence` leaves
    doubtful voxels out, and methods that refine pseudo-labels (`refined`) look at the image once more.
    """
