"""When the pages of the phases change by themselves, because one opens or ends."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Min, Q

from submissions.models import Phase


def next_change(now: datetime) -> datetime | None:
    """Return the first moment after `now` at which a phase opens or closes, None without one."""
    moments = {name: Min(name, filter=Q(**{f"{name}__gt": now})) for name in ("opens_at", "closes_at")}
    found = Phase.objects.order_by().aggregate(**moments)
    return min((moment for moment in found.values() if moment is not None), default=None)
