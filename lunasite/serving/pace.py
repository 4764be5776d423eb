"""How slow a client may be."""

from dataclasses import dataclass

HEAD_SECONDS = 10.0  # from the connection's first moment to the end of a request's head
BYTES_PER_SECOND = 8 * 1024  # of a body, and of an answer being taken, on average
GRACE_SECONDS = 10.0  # in which a body may stall at no cost
BODY_SECONDS = 2 * 3600.0


@dataclass
class Pace:
    """Whether bytes move fast enough. began: on time.monotonic()."""

    began: float
    moved: int = 0

    def is_too_slow(self, now: float) -> bool:
        elapsed = now - self.began
        return elapsed > BODY_SECONDS or self.moved < BYTES_PER_SECOND * (elapsed - GRACE_SECONDS)
