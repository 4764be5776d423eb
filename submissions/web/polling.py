"""How often the live card asks again, and whether anything has changed since it asked last."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Any

# (up to this age of the evaluation in seconds, seconds between two requests)
STEPS = ((120, 2), (600, 3), (3600, 5))
SLOWEST_S = 15


def poll_seconds(created_at: datetime, now: datetime) -> int:
    """Return the seconds between two requests: 2 at first, more the longer an evaluation takes."""
    age_s = (now - created_at).total_seconds()
    return next((every_s for until_s, every_s in STEPS if age_s < until_s), SLOWEST_S)


def digest_of(context: dict[str, Any]) -> str:
    """Return a name for what the card shows; the same name: nothing to draw again, so nothing flickers."""
    evaluation, progress = context["evaluation"], context["progress"]
    shown = (
        evaluation.pk, evaluation.status, evaluation.failure_code, progress.sentence, progress.answered,
        progress.total, context["steps"], len(context["events"]), len(evaluation.smoke_log), context["poll_s"],
    )  # fmt: skip
    return sha256(repr(shown).encode()).hexdigest()[:16]
