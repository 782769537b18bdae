"""The learning rate over a run."""


def learning_rate(step: int, steps: int, peak: float, warm_up: float = 0.05, power: float = 0.9) -> float:
    """Linear warm-up, then a polynomial decay towards 0 (nnU-Net's, [46], which starts without a warm-up).

    With w = ceil(warm_up * steps): `peak (step + 1) / w` while step < w, then
    `peak (1 - (step - w) / (steps - w)) ** power`. It is a function of the step alone, so that a resumed run
    needs no memory of it, and it never reaches 0 within the run.

    Args:
        step: 0 to steps - 1.
        steps: of the whole run.
        peak: the highest rate.
        warm_up: the share of the run that is warm-up.
        power: 1 decays linearly.

    Raises:
        ValueError: for a step outside the run.
    """
    if not 0 <= step < steps:
        raise ValueError(f"step: expected 0 to {steps - 1}, got {step}")
    warm = -int(-warm_up * steps // 1)
    if step < warm:
        return peak * (step + 1) / warm
    return float(peak * (1 - (step - warm) / (steps - warm)) ** power)
