"""What a run computes on, as written in its record."""

from pydantic import BaseModel, ConfigDict


class Hardware(BaseModel):
    """What a run computes on; all but `name` is part of its key.

    Attributes:
        device: `cpu`, `cuda` or `mps`.
        name: the processor's or card's own name.
        precision: `32-true`, or `bf16-mixed` (bfloat16 convolutions, float32 weights and losses).
        threads: of PyTorch on the CPU, which decide the order of its sums.
        processes: how many share the work (DDP).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str
    name: str
    precision: str
    threads: int
    processes: int

    def __str__(self) -> str:
        shared = f", {self.processes} processes" if self.processes > 1 else ""
        threads = f", {self.threads} thread{'s' * (self.threads != 1)}" if self.device == "cpu" else ""
        return f"{self.name} ({self.device}{threads}{shared}), {self.precision}"
