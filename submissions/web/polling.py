"""How often a live card asks again, and whether anything has changed since it asked last."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

# (up to this age of the work in seconds, seconds between two requests)
STEPS = ((120, 2), (600, 3), (3600, 5))
SLOWEST_S = 15


def poll_seconds(created_at: datetime, now: datetime) -> int:
    """Return the seconds between two requests: 2 at first, more the longer the work takes."""
    age_s = (now - created_at).total_seconds()
    return next((every_s for until_s, every_s in STEPS if age_s < until_s), SLOWEST_S)


def digest_of(*shown: object) -> str:
    """Return a name for what a card shows; the same name: nothing to draw again, so nothing flickers."""
    return sha256(repr(shown).encode()).hexdigest()[:16]
