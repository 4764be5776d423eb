"""Open, change and end a phase: what the organiser's pages, the admin and `open_phase` call."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from lunasite.http.errors import ApiError
from submissions.models import Dataset, Evaluation, Phase, Quota
from submissions.models.audit import record
from submissions.runner.contracts import contracts_for
from submissions.signals import ranking_rules_changed

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
# The fields by which a board is ranked and shown.
RANKING = frozenset({"metric", "tie_breaks", "decimals", "disclosure", "score_digits", "ladder_step"})
UNFINISHED = (Evaluation.Status.PENDING, Evaluation.Status.RUNNING)
Window = tuple[int, timedelta | None]


def quota_of(text: str) -> Window:
    """Parse `15/all` or `2/7d` (units s, m, h, d, w). Raises ValueError with a sentence."""
    match = re.fullmatch(r"([1-9][0-9]{0,6})/(?:(all)|([1-9][0-9]{0,5})([smhdw]))", text)
    if not match:
        raise ValueError(f"'{text}' is not a quota; give TRIES/all or TRIES/WINDOW, such as 2/7d")
    tries, everything, count, unit = match.groups()
    return int(tries), None if everything else timedelta(**{UNITS[unit]: int(count)})


def quota_text(quota: Quota) -> str:
    """Return a quota as `quota_of` parses it."""
    if quota.window is None:
        return f"{quota.tries}/all"
    seconds = int(quota.window.total_seconds())
    lengths = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    unit, length = next((unit, length) for unit, length in lengths.items() if seconds % length == 0)
    return f"{quota.tries}/{seconds // length}{unit}"


def takes_containers(dataset: Dataset) -> bool:
    return not dataset.cases.filter(image="").exists() and bool(contracts_for(dataset.task))


def why_no_containers(dataset: Dataset) -> str:
    if not contracts_for(dataset.task):
        return f"no container contract serves {dataset.task.title}"
    return "a container needs an image of every case (import the dataset with its images)"


@transaction.atomic
def save_phase(*, phase: Phase, windows: Iterable[Window], user: Any = None, changed: Iterable[str] = ()) -> list[str]:
    """Check a phase and its quotas and store them; return sentences about what follows for the board.

    windows: (tries, window or None for the whole phase), in place of the quotas there are. user: who is named in the
    audit log; None on the command line. changed: names of the changed fields. Raises ValidationError.
    """
    is_new = phase.pk is None
    quotas = [Quota(phase=phase, tries=tries, window=window) for tries, window in windows]
    if not is_new:  # frozen meanwhile, it stays so
        phase.frozen_at = Phase.objects.select_for_update().get(pk=phase.pk).frozen_at
    phase.full_clean()
    for quota in quotas:
        quota.full_clean(exclude=["phase"])
    phase.save()
    phase.quotas.all().delete()
    Quota.objects.bulk_create(quotas)
    if user is not None:
        record(user, "open" if is_new else "change", phase, note=", ".join(changed))
    return [] if is_new else announce_ranking(phase, changed)


def announce_ranking(phase: Phase, changed: Iterable[str]) -> list[str]:
    """Have the board ranked again when a rule of the ranking was changed; return sentences about it."""
    if not RANKING & set(changed):
        return []
    return [str(sentence) for _, sentence in ranking_rules_changed.send(Phase, phase=phase)]


@transaction.atomic
def end_phase(*, phase: Phase, user: Any, now: datetime) -> None:
    """Close a phase at once: no submission is taken after `now`. Raises ApiError unless it is open."""
    row = Phase.objects.select_for_update().get(pk=phase.pk)
    if not row.is_open(now):
        raise ApiError(409, "PHASE_NOT_OPEN", "The phase is not open.")
    row.closes_at = now
    row.save(update_fields=["closes_at"])
    record(user, "close", row)


@transaction.atomic
def freeze_board(*, phase: Phase, user: Any, now: datetime) -> None:
    """Freeze the final board for ever: its rules, dates and entries change no more, so that it can be cited.

    Raises ApiError before the end, and while an evaluation waits or runs.
    """
    row = Phase.objects.select_for_update().get(pk=phase.pk)
    if not row.has_ended(now):
        raise ApiError(409, "PHASE_NOT_ENDED", "The phase has not ended; close it first.")
    if unfinished := Evaluation.objects.filter(submission__phase=row, status__in=UNFINISHED).count():
        raise ApiError(
            409, "EVALUATIONS_UNFINISHED", f"{unfinished} of its evaluations wait or run; freeze it afterwards."
        )
    if row.frozen_at is None:
        row.frozen_at = now
        row.save(update_fields=["frozen_at"])
        record(user, "freeze", row)
