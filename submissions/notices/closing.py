"""Remind people of phases that close soon: once three days before, once one day before, each exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.contrib.auth.models import AnonymousUser

from submissions.database_clock import database_now
from submissions.models import Phase
from submissions.models.messages import Kind
from submissions.notices.people import taking_part, teams_taking_part
from submissions.notices.sending import Notice, tell

# A run of the periodic job tells so many; the next goes on with those who have not heard.
MAX_AT_ONCE = 500
REMINDERS = ((Kind.CLOSING_1, timedelta(0), timedelta(days=1)), (Kind.CLOSING_3, timedelta(days=1), timedelta(days=3)))


def remind_of_closing(now: datetime | None = None) -> int:
    """Send the reminders that are due at `now`; return how many people were told."""
    now, count = now or database_now(), 0
    for kind, least, most in REMINDERS:
        for phase in _closing(now + least, now + most):
            assert phase.closes_at is not None
            people = taking_part(phase.challenge, [phase], since_before=phase.closes_at - most)
            notice = closing_notice(phase, kind, most.days)
            unheard = people.exclude(inbox__key=notice.key)[: MAX_AT_ONCE - count]
            count += tell(notice, unheard)
    return count


def _closing(after: datetime, until: datetime) -> Iterator[Phase]:
    """Return the phases that everybody may see and that close then."""
    yield from Phase.objects.visible_to(AnonymousUser()).filter(closes_at__gt=after, closes_at__lte=until)


def closing_notice(phase: Phase, kind: Kind, days: int) -> Notice:
    assert phase.closes_at is not None
    at, left = f"{phase.closes_at:%Y-%m-%d %H:%M} UTC", f"{days} days" if days > 1 else "one day"
    return Notice(
        # With the moment: a phase that is extended is reminded of again.
        kind, f"{kind.value} {phase.pk} {phase.closes_at:%Y%m%d%H%M}", f"{phase} closes on {at}",
        f"{phase} closes within {left}, on {at}. Submissions that arrive later are not taken; one that waits for its "
        "evaluation at that moment is still scored.",
        f"/phases/{phase.slug}/",
        {"phase": phase.slug, "closes_at": phase.closes_at.isoformat(timespec="seconds")},
        teams_taking_part([phase]),
    )  # fmt: skip
