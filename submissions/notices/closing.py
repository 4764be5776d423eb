"""Remind people of phases that close soon: once three days before, once one day before, each exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet

from submissions.database_clock import database_now
from submissions.models import Participation, Phase, Submission
from submissions.models.messages import Kind
from submissions.notices.sending import Notice, tell

# A run of the periodic job tells so many; the next goes on with those who have not heard.
MOST_AT_ONCE = 500
REMINDERS = ((Kind.CLOSING_1, timedelta(0), timedelta(days=1)), (Kind.CLOSING_3, timedelta(days=1), timedelta(days=3)))


def remind_of_closing(now: datetime | None = None) -> int:
    """Send the reminders that are due at `now`; return how many people were told."""
    now, count = now or database_now(), 0
    for kind, least, most in REMINDERS:
        for phase in _closing(now + least, now + most):
            assert phase.closes_at is not None
            people = taking_part(phase, since_before=phase.closes_at - most)
            notice = closing_notice(phase, kind, most.days)
            unheard = people.exclude(inbox__key=notice.key)[: MOST_AT_ONCE - count]
            count += tell(notice, unheard)
    return count


def _closing(after: datetime, until: datetime) -> Iterator[Phase]:
    yield from Phase.objects.filter(is_hidden=False, closes_at__gt=after, closes_at__lte=until)


def taking_part(phase: Phase, *, since_before: datetime | None = None) -> QuerySet[Any]:
    """Return the people who take part: who accepted the rules or were accepted, and the members of teams that sent.

    since_before: only those who did by then; who begins on the last day knows when it ends.
    """
    by_then = {} if since_before is None else {"created_at__lte": since_before}
    teams = Submission.objects.filter(phase=phase, **by_then).values("team")
    agreed = Q(status=Participation.Status.ACCEPTED) | ~Q(rules_digest="")
    agreeing = Participation.objects.filter(agreed, phase=phase)
    if since_before is not None:
        agreeing = agreeing.filter(Q(rules_accepted_at__lte=since_before) | Q(decided_at__lte=since_before))
    people: QuerySet[Any] = get_user_model().objects.filter(is_active=True)
    return people.filter(Q(membership__team__in=teams) | Q(pk__in=agreeing.values("user"))).order_by("pk")


def closing_notice(phase: Phase, kind: Kind, days: int) -> Notice:
    assert phase.closes_at is not None
    at, left = f"{phase.closes_at:%Y-%m-%d %H:%M} UTC", f"{days} days" if days > 1 else "one day"
    return Notice(
        # With the moment: a phase that is extended is reminded of again.
        kind, f"{kind} {phase.pk} {phase.closes_at:%Y%m%d%H%M}", f"{phase} closes on {at}",
        f"{phase} closes within {left}, on {at}. Submissions that arrive later are not taken; one that waits for its "
        "evaluation at that moment is still scored.",
        f"/phases/{phase.slug}/",
        {"phase": phase.slug, "closes_at": phase.closes_at.isoformat(timespec="seconds")},
    )  # fmt: skip
