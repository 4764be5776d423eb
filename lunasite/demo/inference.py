"""The demo's answers of the slice model, with users' feedback and recent drift rows.

The model process does not run for this: the answers are made up and the pictures are drawn. The drift rows are
brightened rows of the reference, so that the page shows columns that have drifted and columns that have not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from inference import actions
from inference.ct.reading.picture import Picture
from inference.drift import file as drift_file
from inference.drift import log as drift_log
from inference.feedback import files as feedback_files
from inference.models import DriftRow, Feedback
from lunasite.demo.phantoms import draw_picture

State = Feedback.State
ADENO, LARGE, SQUAMOUS, NORMAL = "adenocarcinoma", "large_cell_carcinoma", "squamous_cell_carcinoma", "normal"
DRIFT_ROWS = 60
BRIGHTER = 1.3
GREY_COLUMNS = ("mean", "std", "min", "max", "p01", "p50", "p99")


@dataclass(frozen=True)
class DemoVerdict:
    """A user's verdict on one answer. label: the class that the user reports, which is also the one drawn."""

    username: str
    predicted: str
    label: str
    confidence: float
    note: str = ""
    state: State = State.WAITING
    review_note: str = ""


VERDICTS = (
    DemoVerdict("ada", ADENO, ADENO, 0.94, state=State.ACCEPTED),
    DemoVerdict("ben", NORMAL, NORMAL, 0.99, state=State.ACCEPTED),
    DemoVerdict("carla", ADENO, LARGE, 0.58, "Far too large and too smooth.", State.ACCEPTED, "Agreed: 4 cm, round."),
    DemoVerdict("dan", SQUAMOUS, SQUAMOUS, 0.81, state=State.ACCEPTED),
    DemoVerdict("carla", LARGE, LARGE, 0.88, state=State.ACCEPTED),
    DemoVerdict(
        "dan", NORMAL, ADENO, 0.52, "There is one at the edge.", State.REJECTED, "The same slice was sent before."
    ),
    DemoVerdict("ada", LARGE, SQUAMOUS, 0.47, "Beside the middle, so squamous?", State.UNSURE, "Ask a second reader."),
    DemoVerdict("ben", ADENO, ADENO, 0.76),
    DemoVerdict("carla", SQUAMOUS, ADENO, 0.63, "Spiky and far outside."),
    DemoVerdict("ada", NORMAL, NORMAL, 0.97),
    DemoVerdict("dan", LARGE, LARGE, 0.71),
    DemoVerdict("ben", NORMAL, SQUAMOUS, 0.55, "Hidden beside the mediastinum."),
)


def make_answers(users: dict[str, User], now: datetime) -> None:
    """Add the feedback and the drift rows to a site that has none."""
    if not Feedback.objects.exists():
        _give_feedback(users, now)
    if not DriftRow.objects.exists():
        _classify(now)


@transaction.atomic
def _give_feedback(users: dict[str, User], now: datetime) -> None:
    rng = np.random.default_rng(2027)
    for number, verdict in enumerate(VERDICTS):
        picture = Picture(np.asarray(draw_picture(verdict.label, rng)))
        sent_at = now - timedelta(hours=5 * (len(VERDICTS) - number))
        feedback = _keep(verdict, picture, f"slice-{number + 1:02d}.png", user=users[verdict.username], at=sent_at)
        if verdict.state != State.WAITING:
            actions.review(
                feedback=feedback, reviewer=users["organiser"], state=verdict.state, note=verdict.review_note
            )


def _keep(verdict: DemoVerdict, picture: Picture, name: str, **fields: Any) -> Feedback:
    """Do the same as `record_feedback`, without the model process for the picture."""
    stored = feedback_files.store(picture.as_png(), verdict.label, name)
    height, width = picture.grey.shape
    return Feedback.objects.create(
        predicted_class=verdict.predicted,
        is_correct=verdict.predicted == verdict.label,
        label=verdict.label,
        confidence=verdict.confidence,
        note=verdict.note,
        picture=stored.relative_path,
        sha256=stored.sha256,
        width=width,
        height=height,
        **fields,
    )


def _classify(now: datetime) -> None:
    """Add drift rows to the table and to the CSV; none where there is no reference to sample from."""
    rng = np.random.default_rng(2028)
    known = list(zip(*drift_log.reference().values(), strict=True))
    picks = rng.permutation(len(known))[:DRIFT_ROWS].tolist()
    rows = [_row(known[pick], now - timedelta(hours=DRIFT_ROWS - number)) for number, pick in enumerate(picks)]
    DriftRow.objects.bulk_create(rows)
    for row in rows:
        drift_file.append(settings.DRIFT_CURRENT_PATH, drift_log.values_of(row))


def _row(values: Sequence[Any], at: datetime) -> DriftRow:
    """Return a row of the reference as for a brighter picture."""
    fields = dict(zip(drift_file.COLUMNS, values, strict=True)) | {"timestamp": at}
    brighter = {name: round(min(255.0, BRIGHTER * fields[name]), 4) for name in GREY_COLUMNS}
    counts = {name: int(fields[name]) for name in ("height", "width", "pred_index")}
    return DriftRow(**(fields | brighter | counts))
