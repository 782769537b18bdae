"""Which methods belong to a section of the survey."""

from collections.abc import Callable
from functools import cache

from medseg_lab.survey.claims import claims
from medseg_lab.survey.configurations import configurations
from medseg_lab.survey.methods import all_methods, sections, within
from medseg_lab.training.names import names


def in_section(section: str) -> Callable[[str], bool]:
    """Whether a method, as a ledger's runs have it, belongs to a section or one below it.

    So do a method of its own, another setting of one, and what its claims hold them against.

    Raises:
        ValueError: for an unknown section.
    """
    known = [one.id for one in sections()]
    if section not in known:
        raise ValueError(f"section: expected one of {', '.join(known)}, got {section!r}")
    claimed = {name for one in claims() if within(one.section, section) for name in one.methods}
    return lambda method: method in claimed or within(section_of(method), section)


@cache
def section_of(method: str) -> str:
    """The section of a method by its name; by that of its class where it is a recipe as text; else ""."""
    place = {one.id: one.section for one in all_methods()}
    of = {one.name: place[one.method] for one in configurations()}
    if method in of:
        return of[method]
    called = method.partition("(")[0]
    return next((of[name] for text, name in names().items() if text.partition("(")[0] == called), "")
