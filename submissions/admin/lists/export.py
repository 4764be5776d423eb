"""Export lists as CSV for a spreadsheet: facts of evaluations and submissions, without predictions and truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from django.db.models import Prefetch, QuerySet
from django.http import HttpResponse
from django.utils import timezone

from lunasite.http.files.csv_export import as_csv
from submissions.models import Evaluation, Submission

EVALUATION_COLUMNS = (
    "evaluation", "submission", "team", "phase", "type", "title", "status", "failure_code", "fault", "attempt",
    "failed_attempts", "worker", "answered", "total", "created_at", "started_at", "finished_at", "try_counts",
)  # fmt: skip
SUBMISSION_COLUMNS = (
    "submission", "team", "user", "phase", "type", "title", "file_name", "sha256", "size_bytes", "created_at",
    "status", "failure_code", "try_counts", "is_baseline", "is_hidden", "score",
)  # fmt: skip


def evaluations_csv(rows: QuerySet[Evaluation]) -> HttpResponse:
    return _attached("evaluations", EVALUATION_COLUMNS, map(_evaluation, rows))


def submissions_csv(rows: QuerySet[Submission]) -> HttpResponse:
    return _attached("submissions", SUBMISSION_COLUMNS, _submissions(rows))


def _evaluation(evaluation: Evaluation) -> Sequence[object]:
    submission, failure = evaluation.submission, evaluation.failure
    return [
        evaluation.pk, str(submission.pk), submission.team.name, submission.phase.slug, submission.submission_type,
        submission.title, evaluation.status, evaluation.failure_code, failure.fault if failure else "",
        evaluation.attempt, evaluation.failed_attempts, evaluation.worker, evaluation.answered, evaluation.total,
        _iso(evaluation.created_at), _iso(evaluation.started_at), _iso(evaluation.finished_at), submission.try_counts,
    ]  # fmt: skip


def _submissions(rows: QuerySet[Submission]) -> Iterator[Sequence[object]]:
    for submission in rows.prefetch_related(Prefetch("evaluations", Evaluation.objects.without_blobs())):
        latest = submission.latest
        yield [
            str(submission.pk), submission.team.name, submission.user.username, submission.phase.slug,
            submission.submission_type, submission.title, submission.original_name, submission.sha256,
            submission.size_bytes, _iso(submission.created_at), latest.status, latest.failure_code,
            submission.try_counts, submission.is_baseline, submission.is_hidden,
            submission.phase.rounded(submission.public_score),
        ]  # fmt: skip


def _iso(at: datetime | None) -> str:
    return at.isoformat() if at else ""


def _attached(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> HttpResponse:
    response = HttpResponse(as_csv(header, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}-{timezone.now():%Y%m%d-%H%M%S}.csv"'
    return response
