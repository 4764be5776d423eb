"""The progress of an evaluation in words, the same for the page and the API."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from submissions.actions.queue import place_in_queue
from submissions.models import Evaluation, Split, Submission

Type = Submission.Type
TRIAL = "trial run"
# A CSV is checked while it is sent; an image is checked by the worker that loads it.
STEPS: dict[str, tuple[str, ...]] = {
    Type.CSV: ("received", "checked", "queued", "running", "scored"),
    Type.DOCKER: ("received", "queued", "checked", TRIAL, "running", "scored"),
}
IMAGE_STEPS = {"started": "checked", "fetch": "checked", "intake": "checked", "load": "checked", "smoke": TRIAL}


@dataclass(frozen=True)
class Progress:
    """step: the current or last one of the type's STEPS. left_s: an estimate, or None."""

    step: str
    sentence: str
    place: int | None = None
    answered: int = 0
    total: int = 0
    elapsed_s: int | None = None
    left_s: int | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def progress_of(evaluation: Evaluation, now: datetime) -> Progress:
    """Return the progress of the evaluation at `now`."""
    status = Evaluation.Status
    if evaluation.status == status.PENDING:
        place = place_in_queue(evaluation)
        return Progress("queued", f"Waiting in the queue, place {place}.", place=place)
    if evaluation.status == status.RUNNING:
        return _running(evaluation, now)
    if evaluation.status == status.COMPLETED:
        return Progress("scored", "Scored.", answered=evaluation.answered, total=evaluation.total)
    sentence = "Cancelled." if evaluation.status == status.CANCELLED else failed_sentence(evaluation)
    return Progress(_step_reached(evaluation), sentence)


def _step_reached(evaluation: Evaluation) -> str:
    """Return the step that the newest attempt is in, or that it reached last."""
    if not evaluation.attempt or evaluation.stage == "queued":
        return "queued"
    return IMAGE_STEPS.get(evaluation.stage, "running") if evaluation.submission.is_docker else "running"


def steps_of(submission: Submission) -> tuple[str, ...]:
    """Return the steps of a submission; without sample cases there is no trial run."""
    steps = STEPS[submission.submission_type]
    has_trial = TRIAL in steps and submission.phase.dataset.cases.filter(split=Split.SAMPLE).exists()
    return tuple(step for step in steps if step != TRIAL or has_trial)


STAGES = {
    "started": "A worker has started.",
    "fetch": "Fetching the image.",
    "intake": "Checking the image.",
    "load": "Loading the image into the engine.",
    "smoke": "Trying the container on the public sample cases.",
    "start": "Starting the container.",
    "scoring": "Scoring.",
}


def _running(evaluation: Evaluation, now: datetime) -> Progress:
    """Return `37 / 120 cases, 41 s, about 90 s left` once there are cases to count."""
    elapsed = _seconds(evaluation.started_at, now)
    answered, total = evaluation.answered, evaluation.total
    predict_started = _as_time(evaluation.timings.get("predict_started_at")) or evaluation.started_at
    predicting = _seconds(predict_started, now)
    left = round(predicting / answered * (total - answered)) if answered and evaluation.stage != "smoke" else None
    sentence = STAGES.get(evaluation.stage, "Running.")
    if total:
        sentence = f"{answered} / {total} cases, {elapsed} s"
        sentence += f", about {left} s left." if left is not None else "."
    step = _step_reached(evaluation)
    return Progress(step, sentence, answered=answered, total=total, elapsed_s=elapsed, left_s=left)


def _seconds(start: datetime | None, now: datetime) -> int:
    """Return seconds; never negative, even if the clocks of two hosts differ (F22)."""
    return max(0, round((now - start).total_seconds())) if start else 0


def _as_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def failed_sentence(evaluation: Evaluation) -> str:
    """Return one sentence: what went wrong, whose fault it was, and whether the try counted."""
    failure = evaluation.failure
    if failure is None:
        return "Failed."
    fault = "This was our fault" if failure.is_ours else "This was the submission's fault"
    counted = "the try counted" if evaluation.submission.try_counts else "the try was given back"
    sentence = failure.sentence
    if not failure.counts and evaluation.submission.try_counts:  # staff ran it again after it had been scored
        sentence = sentence.replace("the try was given back and ", "")
        counted = "the scores of the earlier run stand"
    is_named = counted in sentence
    extra = f" {evaluation.failure_note}" if evaluation.failure_note else ""
    return f"{sentence}{extra} {fault}{'' if is_named else f'; {counted}'}."


def run_seconds(evaluation: Evaluation, user: Any) -> int | None:
    """Return the run time as `user` may know it: to the second, or rounded up to 10 s."""
    if not (evaluation.started_at and evaluation.finished_at):
        return None
    seconds = _seconds(evaluation.started_at, evaluation.finished_at)
    return seconds if evaluation.submission.shows_seconds_to(user) else max(10, -(-seconds // 10) * 10)
