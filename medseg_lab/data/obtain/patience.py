"""How long to wait for a server."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds, and how often to try.

    Attributes:
        connect, read: for a connection; for the next byte.
        tries: how often again; a try that brought more than `gain` bytes starts the count anew.
        backoff: after the second try in vain, doubled after each.
        longest: at the server's word (Retry-After), or after many tries.
        slowest: bytes a second over a stretch of `read` seconds; slower counts as a cut connection.
    """

    connect: float = 15
    read: float = 60
    tries: int = 5
    gain: int = 1 << 20
    backoff: float = 1
    longest: int = 120
    slowest: float = 1000
