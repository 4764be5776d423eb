"""What must hold before a person's submission is taken, beside the phase's dates and the quota."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lunasite.http.errors import ApiError
from submissions.models import Participation, Phase, Team
from submissions.models.access import may
from submissions.participation.binding import bound_team, people_in
from submissions.participation.terms import terms_for

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def check_takes_part(phase: Phase, user: User) -> None:
    """Raise ApiError (403) unless the person was accepted, and accepted the rules as they read now.

    Who may change the phase tries it out without asking himself.
    """
    if may(user, "submissions.change_phase", phase):
        return
    terms = terms_for(phase, user)
    page = f"/phases/{phase.slug}/"
    if terms.lacks_approval:
        raise ApiError(403, "APPROVAL_NEEDED", f"{APPROVAL[terms.status]} See {page}", status=str(terms.status))
    if terms.lacks_rules:
        raise ApiError(403, "RULES_NOT_ACCEPTED", f"Read and accept the rules first: {page}")


APPROVAL: dict[str, str] = {
    Participation.Status.NONE: "The organisers admit each participant; ask on the phase's page first.",
    Participation.Status.REQUESTED: "The organisers have not decided about your request yet; you will get a mail.",
    Participation.Status.DECLINED: "The organisers declined your request to take part.",
}


def check_team(phase: Phase, team: Team, user: User) -> None:
    """Raise ApiError (409) for another team than the person's first in this phase, or for a team that is too large.

    Call it under the lock of the team.
    """
    first = bound_team(phase, user)
    if first is not None and first != team:
        message = (
            f"In this phase you are bound to the team '{first.name}', with its row and its tries. "
            "Go back to it to submit here: ask its owner for an invitation, or, if nobody is left in it and you "
            "were the last to submit with it, leave your team and choose it on the team page."
        )
        raise ApiError(409, "BOUND_TO_TEAM", message, team=first.name)
    limit = phase.team_size_limit
    if limit is not None and len(people_in(phase, team) | {user.pk}) > limit:
        message = f"A team has at most {limit} people in this phase; those who sent something and left are counted too."
        raise ApiError(409, "TEAM_TOO_LARGE", message, limit=limit)
