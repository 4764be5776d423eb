"""What grows without end, and what of it `manage.py prune` deletes. docs/operations.md says how much a year brings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django_q.models import Failure

from inference.drift import file as drift_file
from inference.models import DriftRow, Prediction
from lunasite import leftovers
from submissions.actions.free_files import due, free_due_files
from submissions.models import ApiToken, Delivery, Message, Upload
from submissions.uploads.resumable import drop_expired

BATCH = 2000


@dataclass(frozen=True)
class Rule:
    """One sort of data. find: count what is due at a time; delete: delete it, and return how many there were."""

    name: str
    find: Callable[[datetime], int]
    delete: Callable[[datetime], int]


def rows(name: str, old: Callable[[datetime], QuerySet[Any]]) -> Rule:
    """Return the rule for rows; they are deleted in batches, so that no transaction holds the database for long."""

    def delete(now: datetime) -> int:
        count = 0
        while keys := list(old(now).order_by().values_list("pk", flat=True)[:BATCH]):
            old(now).model._default_manager.filter(pk__in=keys).delete()
            count += len(keys)
        return count

    return Rule(name, lambda now: old(now).count(), delete)


def days(count: int) -> timedelta:
    return timedelta(days=count)


def old_mails(now: datetime) -> list[Path]:
    """Return the mails that were written as files because there is no mail server."""
    since = (now - days(settings.KEEP_MAILS_DAYS)).timestamp()
    folder = Path(settings.EMAIL_FILE_PATH)
    return [path for path in folder.glob("*.log") if path.stat().st_mtime < since] if folder.is_dir() else []


def delete_mails(now: datetime) -> int:
    found = old_mails(now)
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def drift_since(now: datetime) -> str:
    return (now - days(settings.KEEP_DRIFT_DAYS)).isoformat(timespec="milliseconds")


def attempts(model: Any) -> Callable[[datetime], QuerySet[Any]]:
    return lambda now: model.objects.filter(attempt_time__lt=now - days(settings.KEEP_LOGIN_ATTEMPTS_DAYS))


RULES: tuple[Rule, ...] = (
    rows("sessions", lambda now: Session.objects.filter(expire_date__lt=now)),
    rows("API tokens", lambda now: ApiToken.objects.filter(expiry__lt=now)),
    rows("predictions", lambda now: Prediction.objects.filter(at__lt=now - days(settings.KEEP_PREDICTIONS_DAYS))),
    rows("drift rows", lambda now: DriftRow.objects.filter(timestamp__lt=now - days(settings.KEEP_DRIFT_DAYS))),
    Rule(
        "rows of the drift file",
        lambda now: drift_file.rows_before(Path(settings.DRIFT_CURRENT_PATH), drift_since(now)),
        lambda now: drift_file.drop_before(Path(settings.DRIFT_CURRENT_PATH), drift_since(now)),
    ),
    rows("login attempts", attempts(AccessAttempt)),
    rows("logins", attempts(AccessLog)),
    rows("failed logins", attempts(AccessFailureLog)),
    rows("messages", lambda now: Message.objects.filter(created_at__lt=now - days(365))),
    rows("deliveries", lambda now: Delivery.objects.filter(created_at__lt=now - days(30))),
    rows("failed tasks", lambda now: Failure.objects.filter(stopped__lt=now - days(settings.KEEP_MAILS_DAYS))),
    Rule("mails", lambda now: len(old_mails(now)), delete_mails),
    Rule(
        "unfinished uploads", lambda now: Upload.objects.filter(expires_at__lte=now).count(), lambda now: drop_expired()
    ),
    Rule("files of killed processes", lambda now: len(leftovers.unfinished(now)), leftovers.delete_unfinished),
    Rule("unused copies", lambda now: len(leftovers.unused(now)), leftovers.delete_unused),
    Rule("idle files", lambda now: len(due(now)), lambda now: free_due_files(now).files),
)
