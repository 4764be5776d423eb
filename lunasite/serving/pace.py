"""The minimum speed of a client."""

from dataclasses import dataclass

HEAD_SECONDS = 10.0  # from the start of the connection to the end of a request's head
BYTES_PER_SECOND = 8 * 1024  # average minimum, for sending a body and for reading an answer
GRACE_SECONDS = 10.0  # a body may stall this long without penalty
BODY_SECONDS = 2 * 3600.0


@dataclass
class Pace:
    """The speed of a transfer. began: a time of time.monotonic(). moved: bytes so far."""

    began: float
    moved: int = 0

    def is_too_slow(self, now: float) -> bool:
        elapsed = now - self.began
        return elapsed > BODY_SECONDS or self.moved < BYTES_PER_SECOND * (elapsed - GRACE_SECONDS)
