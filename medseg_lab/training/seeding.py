"""Random numbers as a function of (seed, step), so that a resumed run draws what it would have drawn."""

from numpy.random import SeedSequence

BUILD, STEP, JUDGE = 2**16, 2**16 + 1, 2**16 + 2


def stream(seed: int, purpose: int, *counters: int) -> int:
    """A 64-bit seed for one purpose and one place in the run, unrelated to its neighbours.

    Args:
        seed: of the run, 0 or more.
        purpose: `BUILD` (initial weights), `STEP` (one step of training), `JUDGE` (evaluation).
        counters: where in the run: step, process.
    """
    return int(SeedSequence([seed, purpose, *counters]).generate_state(1, "uint64")[0])
