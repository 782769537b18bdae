"""With which seeds methods are compared: all of them need the same."""

from collections.abc import Mapping, Sequence


def shared_by_all(seeds: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """The seeds that each method has."""
    return tuple(sorted(set.intersection(*(set(has) for has in seeds.values()))))


def shared_by_most(seeds: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """The seeds that most methods share: those that leave the largest block of methods x seeds.

    So one method that was trained less than the others does not cost them their seeds, nor do a few with
    more seeds cost the others their place. Two seeds or more, of two methods or more, go before all else: one
    training each cannot tell methods apart. Of equal blocks, that with more seeds counts, then the lowest.

    Args:
        seeds: those of each method.
    """
    sets = {frozenset(has) for has in seeds.values()}
    while larger := {a & b for a in sets for b in sets} - sets:
        sets |= larger

    def worth(chosen: frozenset[int]) -> tuple[bool, bool, int, int, tuple[int, ...]]:
        holders = sum(chosen <= set(has) for has in seeds.values())
        several = holders > 1
        lowest = tuple(-seed for seed in sorted(chosen))
        return several, several and len(chosen) > 1, holders * len(chosen), len(chosen), lowest

    best = max((one for one in sets if one), key=worth)
    return tuple(sorted(best))


def seeds_text(seeds: Sequence[int]) -> str:
    """ "seed 0", "seeds 0, 1", "seeds 0 to 4"."""
    if len(seeds) > 3 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"seeds {seeds[0]} to {seeds[-1]}"
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"
