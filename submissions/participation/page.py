"""What the phase page shows of taking part."""

from __future__ import annotations

from typing import Any

from django.utils.functional import SimpleLazyObject

from submissions.models import Phase, Team
from submissions.models.access import may
from submissions.participation.binding import bound_team
from submissions.participation.forms import RequestForm
from submissions.participation.terms import terms_for


def participation_context(phase: Phase, user: Any, team: Team | None) -> dict[str, Any]:
    """Return what the person must still do before a submission is taken, and the team it would have to come from.

    team: the person's own now.
    """
    return {
        "terms": SimpleLazyObject(lambda: terms_for(phase, user)),  # organisers need none
        "request_form": RequestForm(),
        "is_organiser": may(user, "submissions.change_phase", phase),
        "bound_elsewhere": SimpleLazyObject(lambda: _bound_elsewhere(phase, user, team)),
    }


def _bound_elsewhere(phase: Phase, user: Any, team: Team | None) -> Team | None:
    first = bound_team(phase, user) if user.is_authenticated else None
    return first if first is not None and first != team else None
