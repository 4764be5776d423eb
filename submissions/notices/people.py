"""Who takes part in a challenge, and so is told of it: people, and the teams that sent something."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet

from submissions.models import Participation, Phase, Submission
from submissions.models.challenges.challenge import Challenge


def taking_part(
    challenge: Challenge, phases: Iterable[Phase] | QuerySet[Phase], *, since_before: datetime | None = None
) -> QuerySet[Any]:
    """Return the people who take part: who accepted the rules or were accepted, and the members of teams that sent.

    since_before: only those who did by then; who begins on the last day knows when it ends.
    """
    sent = Submission.objects.filter(phase__in=phases)
    agreed = Q(status=Participation.Status.ACCEPTED) | ~Q(rules_digest="")
    agreeing = Participation.objects.filter(agreed, challenge=challenge)
    if since_before is not None:
        sent = sent.filter(created_at__lte=since_before)
        agreeing = agreeing.filter(Q(rules_accepted_at__lte=since_before) | Q(decided_at__lte=since_before))
    people: QuerySet[Any] = get_user_model().objects.filter(is_active=True)
    members = Q(membership__team__in=sent.values("team"))
    return people.filter(members | Q(pk__in=agreeing.values("user"))).order_by("pk")


def teams_taking_part(phases: Iterable[Phase] | QuerySet[Phase]) -> frozenset[int]:
    """Return the numbers of the teams that sent something to one of the phases."""
    return frozenset(Submission.objects.filter(phase__in=phases).order_by().values_list("team", flat=True).distinct())
