"""What differs between runs that may be compared: hardware, versions, code. Stated, not refused."""

from collections.abc import Collection, Iterator, Mapping

from medseg_lab.evaluation.rows import Origin

NAMED = 3
"""So many files are named; the rest are counted."""


def notes(origins: Collection[Origin]) -> tuple[str, ...]:
    """One short sentence for each kind of difference between the runs of a standing."""
    return (*_hardware(origins), *_versions(origins), *_sources(origins))


def _hardware(origins: Collection[Origin]) -> Iterator[str]:
    """Device and precision; threads and processes change bits, too, but hardly a result."""
    found = _counted(f"{one.hardware.device} {one.hardware.precision}" for one in origins)
    if len(found) > 1:
        yield f"trained on different hardware: {_listed(found)}"


def _versions(origins: Collection[Origin]) -> Iterator[str]:
    """Of packages that all runs name."""
    for name in sorted({name for one in origins for name in one.versions}):
        found = _counted(one.versions[name] for one in origins if name in one.versions)
        if len(found) > 1:
            yield f"trained with different versions of {name}: {_listed(found)}"


def _sources(origins: Collection[Origin]) -> Iterator[str]:
    """The library's files that two runs used in different versions."""
    hashes: dict[str, set[str]] = {}
    for sources in {id(one.sources): one.sources for one in origins}.values():
        for path, value in sources.items():
            hashes.setdefault(path, set()).add(value)
    differing = [path.removeprefix("medseg_lab/") for path, found in hashes.items() if len(found) > 1]
    if differing:
        more = f" and {len(differing) - NAMED} more files" if len(differing) > NAMED else ""
        yield f"trained with different versions of this library's {', '.join(differing[:NAMED])}{more}"


def _counted(values: Iterator[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for value in values:
        found[value] = found.get(value, 0) + 1
    return found


def _listed(found: Mapping[str, int]) -> str:
    """ "cpu 32-true (4 runs), cuda bf16-mixed (1 run)"."""
    return ", ".join(f"{value} ({count} run{'s' * (count > 1)})" for value, count in found.items())
