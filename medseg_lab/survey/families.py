"""The survey's Table 1: families of semi-supervised methods, each with its idea and its systems."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """A row of the table.

    Args:
        name: as the field calls it.
        section: where the survey treats it.
        idea: in our words.
        methods: ids of its systems, in the order of the table; what the text alone names comes first.
    """

    name: str
    section: str
    idea: str
    methods: tuple[str, ...]


FAMILIES = (
    Family(
        "Self-training",
        "3.1",
        "A network labels the images without labels, learns from them, too, labels them anew, and so on.",
        ("selftrain", "selftrain-crf", "selftrain-levelset", "deepcut", "curriculum-size"),
    ),
    Family(
        "Co-training",
        "3.1",
        "Self-training by several networks: what they predict together is what they, or a student, learn.",
        ("deep-cotraining", "dmpct", "umct", "tsman"),
    ),
    Family(
        "Consistency",
        "3.2",
        "A prediction is to stay the same when its input is changed in a way that leaves the truth as it is. "
        "This is a term beside the supervised one, and hardly needs pseudo-labels.",
        (
            *("pi-model", "temporal-ensembling", "mean-teacher", "ua-mt"),
            *("tcsm", "tcsm-v2", "semitc", "massl"),
        ),
    ),
    Family(
        "Graphs",
        "3.3",
        "Pixels or regions are the nodes of a graph, similarities its edges, and labels spread along them.",
        ("rfe", "graph-grf", "graph-superpixel"),
    ),
    Family(
        "Adversarial networks",
        "3.4",
        "A second network is trained against the first one: it refines segmentations, judges them, or makes "
        "further data.",
        ("gan-augment", "gan-fewshot", "adversarial-dan", "asdnet", "collaborative", "recolor"),
    ),
)
