"""The quota, a submission limit: how many tries a team has left, and when the next is free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Q, QuerySet

from submissions.models import Phase, Quota, Submission, Team
from submissions.runner.base import TRIAL

if TYPE_CHECKING:
    from django.contrib.auth.models import User

A_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Allowance:
    """One quota window of a phase, for one team. next_free_at: None while a try is left, or if none will be free."""

    tries: int
    used: int
    period: str
    next_free_at: datetime | None

    @property
    def left(self) -> int:
        return max(0, self.tries - self.used)

    @property
    def is_used_up(self) -> bool:
        return self.left == 0


def counted_tries(phases: Sequence[int], team: Team | None, user: User) -> QuerySet[Submission]:
    """Return the submissions that use up tries: those of the team, and the user's own from earlier teams."""
    return Submission.objects.filter(Q(team=team) | Q(user=user), phase__in=phases, try_counts=True, is_baseline=False)


def trials_failed(team: Team, user: User, now: datetime) -> int:
    """Count the images of the last day that failed, or were cancelled, in their trial: it cost no try.

    As with tries, those of the team count, and the user's own from earlier teams.
    """
    sent = Submission.objects.filter(Q(team=team) | Q(user=user), created_at__gt=now - A_DAY)
    failed = sent.filter(evaluations__failure_stage=TRIAL)
    return failed.distinct().count()


def allowance(quota: Quota, times: list[datetime], now: datetime) -> Allowance:
    """Count the tries in (now - window, now]; with this half-open window a try is free exactly `window` later.

    times: of all the tries that count in the phase, the earliest first.
    """
    counted = times if quota.window is None else [at for at in times if at > now - quota.window]
    next_free_at = None
    if len(counted) >= quota.tries and quota.window is not None:
        next_free_at = counted[len(counted) - quota.tries] + quota.window
    return Allowance(quota.tries, len(counted), quota.period, next_free_at)


def allowances(phase: Phase, team: Team | None, user: User, now: datetime) -> list[Allowance]:
    return allowances_of([phase], team, user, now)[phase.pk]


def allowances_of(phases: Sequence[Phase], team: Team | None, user: User, now: datetime) -> dict[int, list[Allowance]]:
    """Return the windows of each phase by its number; one query beside those for the quotas, which may be fetched."""
    quotas = {phase.pk: list(phase.quotas.all()) for phase in phases}
    limited = [pk for pk, windows in quotas.items() if windows]
    tries = counted_tries(limited, team, user).order_by("created_at").values_list("phase", "created_at")
    times: dict[int, list[datetime]] = {}
    for pk, at in tries if limited else ():
        times.setdefault(pk, []).append(at)
    return {pk: [allowance(quota, times.get(pk, []), now) for quota in windows] for pk, windows in quotas.items()}


def first_used_up(left: list[Allowance]) -> Allowance | None:
    """Return the exhausted window that ends last, since only its end allows another try."""
    used_up = [item for item in left if item.is_used_up]
    endless = [item for item in used_up if item.next_free_at is None]
    if endless or not used_up:
        return endless[0] if endless else None
    return max(used_up, key=lambda quota: quota.next_free_at)  # type: ignore[arg-type, return-value]
