"""Free files: delete what was submitted once no evaluation needs it, so that nothing fills up.

Idle files are those of cancelled submissions, of refused ones (failed by the participant's fault), and of superseded
images: a team keeps its best shown, its chosen entry, its baselines and its IMAGES_KEPT newest of a phase. They are
deleted IDLE_FILES_HOURS after the end of their evaluation. A team holds at most IDLE_FILES_KEPT of the cancelled and
refused ones before that, or submitting and cancelling in a loop would fill the disk within the grace time. The row,
its scores and its digest stay; what remains impossible is to download the file, or to run it again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from submissions.failures import FAILURES, PARTICIPANT
from submissions.models import Evaluation, Submission, Team
from submissions.scoring import METRICS
from submissions.storage import files as storage
from submissions.storage.base import StorageError

log = structlog.get_logger(__name__)
ACTIVE = (Evaluation.Status.PENDING, Evaluation.Status.RUNNING)
THEIR_FAULTS = tuple(code for code, failure in FAILURES.items() if failure.fault == PARTICIPANT)


@dataclass(frozen=True)
class Freed:
    """How many files, and their bytes."""

    files: int
    size_bytes: int


def with_idle_file(team: Team | None = None) -> list[Submission]:
    """Return the submissions that were cancelled or refused and still have their file, newest first."""
    ended = Q(evaluations__status=Evaluation.Status.CANCELLED) | Q(evaluations__failure_code__in=THEIR_FAULTS)
    held = Submission.objects.exclude(file="").filter(ended, **({"team": team} if team else {}))
    unneeded = held.exclude(evaluations__status__in=(*ACTIVE, Evaluation.Status.COMPLETED))
    return list(unneeded.distinct().order_by("-created_at", "pk"))


def superseded_images() -> list[Submission]:
    """Return completed images that are neither among a team's newest of a phase nor its best nor a baseline."""
    done = Submission.objects.filter(submission_type=Submission.Type.DOCKER, evaluations__is_current=True)
    images = done.exclude(file="").exclude(evaluations__status__in=ACTIVE).select_related("phase").distinct()
    groups: dict[tuple[int, int], list[Submission]] = {}
    for image in images.prefetch_related("evaluations").order_by("-created_at", "pk"):
        groups.setdefault((image.phase_id, image.team_id), []).append(image)  # type: ignore[attr-defined]
    return [image for group in groups.values() for image in _beyond_kept(group)]


def _beyond_kept(images: list[Submission]) -> list[Submission]:
    """Return what may go of one team's images in one phase, newest first."""
    is_higher_better = METRICS[images[0].phase.ranking_metric].higher_is_better
    scores = {image.pk: score for image in images if (score := _known_score(image)) is not None}
    best = sorted(scores, key=lambda pk: scores[pk], reverse=is_higher_better)[:1]
    kept = {*(image.pk for image in images[: settings.IMAGES_KEPT]), *best}
    return [image for image in images if image.pk not in kept and not (image.is_baseline or image.is_chosen)]


def _known_score(image: Submission) -> float | None:
    """Return the score that decides which image is the best: the shown one, or what is kept would tell more than that.

    None where the ladder shows none.
    """
    current = image.current_evaluation
    return current.shown_score if current and image.phase.has_ladder else image.public_score


def due(now: datetime) -> list[Submission]:
    """Return the submissions whose files are idle and past the grace time at `now`."""
    since = now - timedelta(hours=settings.IDLE_FILES_HOURS)
    return [sent for sent in (*with_idle_file(), *superseded_images()) if _idle_since(sent) <= since]


def _idle_since(submission: Submission) -> datetime:
    newest: Evaluation | None = submission.evaluations.order_by("-pk").first()
    return (newest and newest.finished_at) or submission.created_at


def free_due_files(now: datetime | None = None) -> Freed:
    """Delete all files that are due at `now`."""
    return free(due(now or timezone.now()))


def free_surplus(team: Team) -> Freed:
    """Delete a team's idle files beyond the newest IDLE_FILES_KEPT at once."""
    return free(with_idle_file(team)[settings.IDLE_FILES_KEPT :])


def free(submissions: Iterable[Submission]) -> Freed:
    """Delete the files of submissions; a file that another submission still needs stays with that one."""
    files, size_bytes = 0, 0
    for submission in submissions:
        try:
            if _free(submission):
                files, size_bytes = files + 1, size_bytes + submission.size_bytes
        except StorageError as error:
            log.warning("file not deleted", submission=str(submission.pk), reason=error.staff_detail)
    return Freed(files, size_bytes)


@transaction.atomic
def _free(submission: Submission) -> bool:
    """Forget the file of one submission under its team's lock; return whether the file itself is gone."""
    Team.objects.select_for_update().get(pk=submission.team_id)  # type: ignore[attr-defined]
    row = Submission.objects.filter(pk=submission.pk, file=submission.file)
    if submission.evaluations.filter(status__in=ACTIVE).exists():
        return False
    if not row.update(file="", file_deleted_at=timezone.now()):
        return False
    if Submission.objects.filter(file=submission.file).exists():
        return False
    # Inside the transaction: if the store is away, the row keeps its key, and a later run tries again.
    storage.delete(submission.file)
    return True
