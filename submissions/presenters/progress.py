"""The progress of an evaluation in words, the same for the page and the API.

A container on hidden cases could speak through its progress and its failures: how much of them a reader is told is the
phase's disclosure. Where no view is given, it is that of a participant.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from submissions.actions.queue import place_in_queue
from submissions.disclosure import View
from submissions.disclosure.side_channels import cases_of, step_at_or_after, tenth, tenths_shown
from submissions.models import Evaluation, EvaluationEvent, Split, Submission
from submissions.models.evaluation import BEFORE_HIDDEN_CASES
from submissions.presenters.waiting import in_words, outlook_of

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
    """step: the current or last one of the type's STEPS. left_s, starts_in_s: estimates, or None."""

    step: str
    sentence: str
    place: int | None = None
    answered: int = 0
    total: int = 0
    elapsed_s: int | None = None
    left_s: int | None = None
    starts_in_s: int | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def view_for(evaluation: Evaluation, now: datetime, user: Any = None) -> View:
    """Return what `user` may see of an evaluation at `now`; without one, what its team may see."""
    phase = evaluation.submission.phase
    return phase.view_of(user, now) if user is not None else phase.view_in(phase.state(now))


def progress_of(
    evaluation: Evaluation, now: datetime, user: Any = None, line: dict[str, Any] | None = None
) -> Progress:
    """Return the progress of the evaluation at `now`, as `user` may see it. line: of `place_in_queue`, for lists."""
    status = Evaluation.Status
    if evaluation.status == status.PENDING:
        return _waiting(evaluation, line)
    if evaluation.status == status.RUNNING:
        return _running(evaluation, now, view_for(evaluation, now, user))
    if evaluation.status == status.COMPLETED:
        return Progress("scored", "Scored.", answered=evaluation.answered, total=evaluation.total)
    is_cancelled = evaluation.status == status.CANCELLED
    sentence = "Cancelled." if is_cancelled else failed_sentence(evaluation, now, user)
    return Progress(_step_reached(evaluation), sentence)


def _waiting(evaluation: Evaluation, line: dict[str, Any] | None) -> Progress:
    place = place_in_queue(evaluation, line)
    outlook = outlook_of(evaluation.submission.submission_type)
    return Progress("queued", outlook.sentence(place), place=place, starts_in_s=outlook.wait_s(place))


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


# The timeline's lines that are written while a container runs on hidden cases.
EXACT_EVENTS = ("start", "run")
ENDS = ("scored", "failed")
STAGES = {
    "started": "A worker has started.",
    "fetch": "Fetching the image.",
    "intake": "Checking the image.",
    "load": "Loading the image into the engine.",
    "smoke": "Trying the container on the public sample cases.",
    "start": "Starting the container.",
    "scoring": "Scoring.",
}


def _running(evaluation: Evaluation, now: datetime, view: View) -> Progress:
    """Return `37 / 120 cases, 41 s, about 2 min left` once there are cases to count."""
    elapsed = _seconds(evaluation.started_at, now)
    if is_hidden_run(evaluation) and not view.is_full("progress"):
        return _coarsely_running(evaluation, elapsed)
    answered, total = evaluation.answered, evaluation.total
    predict_started = _as_time(evaluation.timings.get("predict_started_at")) or evaluation.started_at
    predicting = _seconds(predict_started, now)
    left = round(predicting / answered * (total - answered)) if answered and evaluation.stage != "smoke" else None
    sentence = STAGES.get(evaluation.stage, "Running.")
    if total:
        sentence = f"{answered} / {total} cases, {in_words(elapsed)}"
        sentence += f", about {in_words(left)} left." if left is not None else "."
    step = _step_reached(evaluation)
    return Progress(step, sentence, answered=answered, total=total, elapsed_s=elapsed, left_s=left)


def _coarsely_running(evaluation: Evaluation, elapsed_s: int) -> Progress:
    """Return `about 30 % of 120 cases, 41 s.`: tenths, which move only on the steps of the run time.

    The stages within the run are not told either: when it started to predict, and when it was done, are times.
    """
    total = evaluation.total
    tenths = tenths_shown(evaluation.timings.get("tenths_at_s", ()), elapsed_s)
    sentence = f"about {10 * tenths} % of {total} cases, {in_words(elapsed_s)}."
    return Progress("running", sentence, answered=cases_of(tenths, total), total=total, elapsed_s=elapsed_s)


def is_hidden_run(evaluation: Evaluation) -> bool:
    """Return whether the container has met, or may have met, hidden cases in this attempt."""
    stage = evaluation.failure_stage or evaluation.stage
    return bool(evaluation.submission.is_docker and evaluation.total and stage not in BEFORE_HIDDEN_CASES)


def answered_shown(evaluation: Evaluation, now: datetime, user: Any = None) -> int:
    """Return the cases answered as `user` may know them: exactly, or rounded down to a tenth of all."""
    view = view_for(evaluation, now, user)
    if view.is_full("progress") or not is_hidden_run(evaluation):
        return evaluation.answered
    if not evaluation.is_finished:
        return progress_of(evaluation, now, user).answered
    return cases_of(tenth(evaluation.answered, evaluation.total), evaluation.total)


def note_shown(evaluation: Evaluation, now: datetime, user: Any = None) -> str:
    """Return our note on a failure, unless it tells more of a run on hidden cases than its code and tenth."""
    view = view_for(evaluation, now, user)
    return evaluation.failure_note if view.is_full("failure") or not is_hidden_run(evaluation) else ""


def events_shown(evaluation: Evaluation, now: datetime, user: Any = None) -> list[EvaluationEvent]:
    """Return the timeline. Where time is coarse, its end is on a step, and no line is from a run on hidden cases."""
    events = list(evaluation.events.all())
    if view_for(evaluation, now, user).is_full("run_time") or not evaluation.submission.is_docker:
        return events
    shown = [event for event in events if event.stage not in EXACT_EVENTS]
    for event in shown:
        if event.stage in ENDS and (at := ended_at(evaluation, now, user)):
            event.at = at
    return shown


def ended_at(evaluation: Evaluation, now: datetime, user: Any = None) -> datetime | None:
    """Return when an evaluation ended, no more exactly than `user` may know how long it ran; None before."""
    seconds = run_seconds(evaluation, now, user)
    if seconds is None or evaluation.started_at is None:
        return evaluation.finished_at
    is_exact = view_for(evaluation, now, user).is_full("run_time")
    return evaluation.finished_at if is_exact else evaluation.started_at + timedelta(seconds=seconds)


def _seconds(start: datetime | None, now: datetime) -> int:
    """Return seconds; never negative, even if the clocks of two hosts differ (F22)."""
    return max(0, round((now - start).total_seconds())) if start else 0


def _as_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def failed_sentence(evaluation: Evaluation, now: datetime | None = None, user: Any = None) -> str:
    """Return one sentence: what went wrong, whose fault it was, and whether the try counted."""
    failure = evaluation.failure
    if failure is None:
        return "Failed."
    fault = "This was our fault" if failure.is_ours else "This was the submission's fault"
    counted = "the try counted" if evaluation.submission.try_counts else "the try was given back"
    sentence = evaluation.failure_sentence
    if not failure.counts and evaluation.submission.try_counts:  # staff ran it again after it had been scored
        sentence = sentence.replace("the try was given back and ", "")
        counted = "the scores of the earlier run stand"
    is_named = counted in sentence
    note = note_shown(evaluation, now or timezone.now(), user)
    extra = f" {note}" if note else ""
    return f"{sentence}{extra} {fault}{'' if is_named else f'; {counted}'}."


def run_seconds(evaluation: Evaluation, now: datetime, user: Any = None) -> int | None:
    """Return the run time as `user` may know it: to the second, or the step at or after it."""
    if not (evaluation.started_at and evaluation.finished_at):
        return None
    seconds = _seconds(evaluation.started_at, evaluation.finished_at)
    if view_for(evaluation, now, user).is_full("run_time"):
        return seconds
    return round(evaluation.timings.get("released_at_s") or step_at_or_after(seconds))
