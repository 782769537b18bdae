"""nnU-Net's own plans of three data sets, beside those that our rules give for the same numbers."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medseg_lab.planning.fingerprint import of_equal_cases
from medseg_lab.planning.plan import Plan, plan, times

if TYPE_CHECKING:
    import pandas as pd

Edges = tuple[int, ...]


@dataclass(frozen=True)
class Published:
    """What the supplement of the paper [46] says of a data set (its first version, recalled: figures of this
    table were checked by arithmetic, not against the page). Axes are x, y, z, which the paper reverses.

    Args:
        cases: with labels.
        spacing: mm that images are resampled to.
        image: the median shape then.
        patch, batch: by network.
    """

    cases: int
    channels: tuple[str, ...]
    classes: int
    spacing: tuple[float, ...]
    image: Edges
    patch: dict[str, Edges]
    batch: dict[str, int]

    def plan(self) -> Plan:
        """What our rules give, where every case is the median one."""
        return plan(of_equal_cases(self.image, self.spacing, self.cases, self.channels, self.classes))


PUBLISHED = {
    "hippocampus": Published(
        260, ("MRI",), 3, (1.0, 1.0, 1.0), (35, 50, 36),
        {"2D": (40, 56), "3D": (40, 56, 40)}, {"2D": 366, "3D": 9},
    ),
    "ACDC": Published(
        200, ("cine MRI",), 4, (1.5625, 1.5625, 5.0), (208, 237, 18),
        {"2D": (224, 256), "3D": (224, 256, 20)}, {"2D": 58, "3D": 3},
    ),
    "brain tumour": Published(
        484, ("FLAIR", "T1w", "t1gd", "T2w"), 4, (1.0, 1.0, 1.0), (138, 169, 138),
        {"2D": (160, 192), "3D": (128, 128, 128)}, {"2D": 107, "3D": 2},
    ),
}  # fmt: skip


def beside_published() -> "pd.DataFrame":
    """Patch and batch by our rules and by the paper, a row for each network of each data set."""
    import pandas as pd

    rows = [
        {
            "data set": name,
            "network": network,
            "patch": times(stage.patch),
            "published patch": times(known.patch[network]),
            "batch": stage.batch,
            "published batch": known.batch[network],
            "pooling": ", ".join(times(stride) for stride in stage.levels.strides),
        }
        for name, known in PUBLISHED.items()
        for network, stage in ((network, known.plan()[network]) for network in known.patch)
    ]
    return pd.DataFrame(rows)
