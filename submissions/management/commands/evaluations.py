"""Retry, cancel or refund many evaluations at once, chosen by a filter."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from lunasite.http.errors import ApiError
from submissions import actions
from submissions.failures import FAILURES
from submissions.models import Evaluation, StatusConflict
from submissions.models.audit import record

Status = Evaluation.Status


class Command(BaseCommand):
    help = "Retry, cancel or refund evaluations: `evaluations retry --code SYSTEM_STORAGE`. --dry-run only lists them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("verb", choices=VERBS)
        parser.add_argument("--code", action="append", choices=sorted(FAILURES), help="failed with this code")
        parser.add_argument("--phase", help="of the phase with this slug")
        parser.add_argument("--team", help="of the team with this name")
        parser.add_argument("--type", choices=["csv", "docker"], help="predictions or images")
        parser.add_argument("--host", help="whose last attempt ran on this host")
        parser.add_argument("--hours", type=float, help="made within so many hours")
        parser.add_argument("--all", action="store_true", help="needed where no filter is given")
        parser.add_argument("--dry-run", action="store_true", help="list them and change nothing")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        filters = {name: value for name, value in options.items() if name in FILTERS and value is not None}
        if not filters and not options["all"]:
            raise CommandError("Give a filter such as --code SYSTEM_STORAGE, or --all.")
        _, fits = VERBS[verb]
        chosen = list(chosen_by(filters, fits).select_related("submission__team", "submission__phase"))
        for evaluation in chosen if options["dry_run"] else []:
            self.stdout.write(f"{evaluation.pk}\t{evaluation.status}\t{evaluation.failure_code}\t{evaluation}")
        done, refused = (0, []) if options["dry_run"] else run(verb, chosen)
        for line in refused[:20]:
            self.stderr.write(line)
        self.stdout.write(f"{len(chosen)} found, {done} changed, {len(refused)} refused")


def chosen_by(filters: dict[str, Any], fits: dict[str, Any]) -> QuerySet[Evaluation]:
    rows = Evaluation.objects.without_blobs().filter(**fits)
    for name, value in filters.items():
        rows = FILTERS[name](rows, value)
    return rows.order_by("pk")


FILTERS: dict[str, Any] = {
    "code": lambda rows, value: rows.filter(failure_code__in=value),
    "phase": lambda rows, value: rows.filter(submission__phase__slug=value),
    "team": lambda rows, value: rows.filter(submission__team__name=value),
    "type": lambda rows, value: rows.filter(submission__submission_type=value),
    "host": lambda rows, value: rows.filter(worker__startswith=f"{value}/"),
    "hours": lambda rows, value: rows.filter(created_at__gte=timezone.now() - timedelta(hours=value)),
}


def run(verb: str, chosen: list[Evaluation]) -> tuple[int, list[str]]:
    """Apply a verb to each, in a transaction of its own; return how many it changed, and why not the others."""
    apply, _ = VERBS[verb]
    done, refused = 0, []
    for evaluation in chosen:
        try:
            with transaction.atomic():
                apply(evaluation)
                record(None, verb, evaluation)
            done += 1
        except (ApiError, StatusConflict, IntegrityError) as error:
            refused.append(f"{evaluation.pk}: {getattr(error, 'message', '') or type(error).__name__}")
    return done, refused


def retry(evaluation: Evaluation) -> None:
    actions.retry(evaluation=evaluation)


def cancel(evaluation: Evaluation) -> None:
    actions.cancel(submission=evaluation.submission)


def refund(evaluation: Evaluation) -> None:
    actions.refund(submission=evaluation.submission)


# What each verb does, and the evaluations it applies to.
VERBS: dict[str, Any] = {
    "retry": (retry, {"status": Status.FAILED}),
    "cancel": (cancel, {"status__in": [Status.PENDING, Status.RUNNING]}),
    "refund": (refund, {"submission__try_counts": True, "status__in": [Status.FAILED, Status.CANCELLED]}),
}
