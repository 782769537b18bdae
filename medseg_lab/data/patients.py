"""Whose a case is, guessed from its id.

A guess that groups too much costs a few patients; one that groups too little lets a person's scans lie on
both sides of a split, and results look better than they are. So what might be one patient is grouped, and a
person is asked to check.
"""

import re
from collections.abc import Sequence

WORDS = "patient|subject|subj|sub|person|pat"
EXPRESSIONS = {
    rf"(.*?(?:{WORDS})[-_]?[0-9]+)(?:[^0-9].*)?": "the id up to the number after 'patient' or the like",
    r"(.*?[0-9]+)[-_.].+": "the id up to its first number that something follows",
    r"(.*[0-9]+)[-_]?(?:L|R|l|r|left|right|OD|OS|od|os)": "the id without its side, left or right",
    r"(.*[A-Za-z].*)[-_][0-9]+": "the id without its last number",
}
"""Expressions as `Card.patient` wants them, with what they take for the patient, in the order of trial."""

EACH = "(.+)", "every case counts as one patient"


def guess_patient(cases: Sequence[str]) -> tuple[str, str]:
    """The first expression that matches every id and gives several patients, one of them with several cases.

    Returns:
        The expression and the rule in words; where none fits, every case is a patient.
    """
    for expression, rule in EXPRESSIONS.items():
        matches = [re.fullmatch(expression, case) for case in cases]
        patients = {match[1] for match in matches if match}
        if all(matches) and 1 < len(patients) < len(cases):
            return expression, rule
    return EACH
