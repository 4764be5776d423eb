"""What the phase page shows of taking part."""

from __future__ import annotations

from typing import Any

from submissions.models import Phase
from submissions.models.access import may
from submissions.models.team import team_of
from submissions.participation.binding import bound_team
from submissions.participation.forms import RequestForm
from submissions.participation.terms import terms_for


def participation_context(phase: Phase, user: Any) -> dict[str, Any]:
    """Return what the person must still do before a submission is taken, and the team it would have to come from."""
    first = bound_team(phase, user) if user.is_authenticated else None
    return {
        "terms": terms_for(phase, user),
        "request_form": RequestForm(),
        "is_organiser": may(user, "submissions.change_phase", phase),
        "bound_elsewhere": first if first is not None and first != team_of(user) else None,
    }
