"""The same image under two patients would be in two parts of the split: what is learnt would be tested on."""

from collections.abc import Iterable

import numpy as np

from medseg_lab.data.readers.reader import Reader


def refuse_duplicates(reader: Reader, cases: Iterable[str] | None = None) -> None:
    """See that no two patients have the same image.

    Digests of the files tell which to suspect, at the cost of reading bytes; suspects are decoded and
    compared. One patient's cases may be equal: they stay together. A picture that was packed anew as PNG or
    h5 has other bytes and is not found; a volume packed anew as `.nii.gz` is.

    Args:
        cases: those that are used; None for all.

    Raises:
        ValueError: naming both cases and both patients.
    """
    whose = reader.patients()
    suspects: dict[str, list[str]] = {}
    for case in whose if cases is None else cases:
        alike = suspects.setdefault(reader.image_digest(case), [])
        for other in alike:
            if whose[other] != whose[case] and _equal(reader, case, other):
                raise ValueError(
                    f"case {case}: got the image of {other} again, of patient {whose[other]}, "
                    f"wanted images of patient {whose[case]}"
                )
        alike.append(case)


def _equal(reader: Reader, case: str, other: str) -> bool:
    return bool(np.array_equal(reader.read(case).image, reader.read(other).image))
