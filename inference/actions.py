"""The actions of inference: predict, keep feedback, review it."""

import hashlib
import time
from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from inference.call_log import CallRecord
from inference.ct.reading.errors import InvalidImageFile
from inference.drift import log as drift_log
from inference.feedback import files as feedback_files
from inference.feedback.room import check_room
from inference.model_service import engine
from inference.models import Feedback
from inference.networks.answers import (
    NO_WISHES,
    LesionAnswer,
    LesionViews,
    LesionWishes,
    SliceAnswer,
    SliceExplanation,
    TimedOut,
)
from lunasite.http.errors import ApiError
from lunasite.http.limits.dear_work import remembered

PointXYZ = tuple[float, float, float]
CLEAN_TIMEOUT_S = 10.0


def predict_lesions(
    *,
    call: CallRecord,
    path: str,
    raw_path: str | None,
    points_xyz_mm: Sequence[PointXYZ],
    wishes: LesionWishes = NO_WISHES,
) -> LesionAnswer:
    """Return the malignancy probability at each point. Raises what networks/answers.py lists."""
    call.items = len(points_xyz_mm)
    answer = engine().lesion_probability(path, raw_path, points_xyz_mm, settings.PREDICT_TIMEOUT_SECONDS, wishes)
    call.answered(answer)
    return answer


def look_at_lesion(
    *,
    call: CallRecord,
    path: str,
    raw_path: str | None,
    point_xyz_mm: PointXYZ,
    wishes: LesionWishes = NO_WISHES,
) -> LesionViews:
    """Return the probability at one point with three pictures through it."""
    views = engine().lesion_views(path, raw_path, point_xyz_mm, settings.PREDICT_TIMEOUT_SECONDS, wishes)
    call.answered(views.answer)
    return views


def classify_slice(*, call: CallRecord, path: str, timeout_s: float | None = None) -> SliceAnswer:
    """Return the class probabilities of a slice, and log its statistics for drift."""
    answer = engine().slice_probabilities(path, timeout_s or settings.PREDICT_TIMEOUT_SECONDS)
    call.answered(answer)
    drift_log.record(answer)
    return answer


def classify_slices(*, call: CallRecord, paths: Iterable[str]) -> list[SliceAnswer | InvalidImageFile]:
    """Return, for each picture, its answer or why it cannot be read; one time-out covers all of them."""
    deadline = time.monotonic() + settings.PREDICT_TIMEOUT_SECONDS
    results: list[SliceAnswer | InvalidImageFile] = []
    for path in paths:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TimedOut
        try:
            results.append(classify_slice(call=call, path=path, timeout_s=left_s))
        except InvalidImageFile as error:
            results.append(error)
    call.items = len(results)
    return results


def explain_slice(*, call: CallRecord, path: str) -> SliceExplanation:
    """Return the class probabilities with an occlusion map, and log the statistics for drift.

    A picture that was explained before is answered from the cache. Raises ApiError(429) beside what engine() raises.
    """
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    explanation = remembered(
        "explanation",
        (digest, *weights_in_use()),
        lambda: engine().slice_explanation(path, settings.PREDICT_TIMEOUT_SECONDS),
        caller=call.caller,
    )
    call.answered(explanation.answer)
    drift_log.record(explanation.answer)
    return explanation


def weights_in_use() -> tuple[str, ...]:
    """Return the models' versions; a picture is explained anew after they change."""
    return tuple(f"{model.name} {model.version}" for model in engine().status().models)


def record_feedback(
    *,
    user: Any,
    path: str,
    original_name: str,
    predicted_class: str,
    is_correct: bool,
    correct_class: str = "",
    confidence: float | None = None,
    note: str = "",
) -> Feedback:
    """Store a user's verdict with the re-encoded picture. Raises InvalidImageFile, ApiError; nothing is stored then."""
    check_room()
    clean = engine().clean_picture(path, CLEAN_TIMEOUT_S)
    label = predicted_class if is_correct else correct_class
    stored = feedback_files.store(clean.png, label, original_name)
    try:
        return Feedback.objects.create(
            user=user if user is not None and user.is_authenticated else None,
            predicted_class=predicted_class,
            is_correct=is_correct,
            label=label,
            confidence=confidence,
            note=note,
            picture=stored.relative_path,
            sha256=stored.sha256,
            width=clean.statistics.width,
            height=clean.statistics.height,
        )
    except BaseException:
        feedback_files.remove(stored.relative_path)
        raise


def forget(*, feedback: Feedback) -> None:
    """Delete a feedback entry and its picture, for example when somebody sent data that must not be kept."""
    picture = feedback.picture
    feedback.delete()
    transaction.on_commit(lambda: feedback_files.remove(picture))


@transaction.atomic
def review(*, feedback: Feedback, reviewer: Any, state: str, note: str = "") -> Feedback:
    """Record a reviewer's decision on a feedback entry; a later review replaces the earlier one.

    Raises ApiError(409) where the reviewer is its second reader: one person cannot agree with oneself.
    """
    hold(feedback)
    if feedback.second_reader_id == reviewer.pk and feedback.second_state:
        message = "You are the second reader of this feedback; somebody else decides first."
        raise ApiError(409, "ONE_READER_TWICE", message)
    feedback.state = Feedback.State(state)
    feedback.review_note = note
    feedback.reviewer = reviewer
    feedback.reviewed_at = timezone.now()
    feedback.save(update_fields=["state", "review_note", "reviewer", "reviewed_at"])
    return feedback


@transaction.atomic
def read_second(*, feedback: Feedback, reader: Any, state: str, note: str = "") -> Feedback:
    """Record what a second reader decided without seeing the first decision.

    Raises ApiError(409) before the first decision, and where the reader made it.
    """
    hold(feedback)
    if feedback.state == Feedback.State.WAITING:
        raise ApiError(409, "NOT_READ_ONCE", "Nobody has decided about this feedback yet; it has no second reader.")
    if feedback.reviewer_id == reader.pk:
        raise ApiError(409, "ONE_READER_TWICE", "You made the first decision; the second reader is somebody else.")
    feedback.second_state = Feedback.State(state)
    feedback.second_note = note
    feedback.second_reader = reader
    feedback.second_at = timezone.now()
    feedback.save(update_fields=["second_state", "second_note", "second_reader", "second_at"])
    return feedback


def hold(feedback: Feedback) -> None:
    """Read the row anew and hold it to the end of the transaction: two readers may decide at once.

    Raises ApiError(404) where it was deleted.
    """
    try:
        feedback.refresh_from_db(from_queryset=Feedback.objects.select_for_update())
    except Feedback.DoesNotExist as error:
        raise ApiError(404, "NOT_FOUND", "This feedback was deleted meanwhile.") from error
