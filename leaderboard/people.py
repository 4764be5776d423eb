"""The public profile of a person: only where the person has switched it on."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from leaderboard.models import Standing
from submissions.models import Phase, Profile, Team
from submissions.models.team import team_of

MAX_PHASES = 50


@require_GET
def person(request: HttpRequest, name: str) -> HttpResponse:
    """Show name, affiliation, team, and the public boards on which the team stands: the same to every reader."""
    rows = Profile.objects.select_related("user").filter(is_public=True, user__is_active=True)
    profile = rows.filter(user__username=name).first() if "\0" not in name else None
    if profile is None:
        raise Http404("There is no such profile.")
    team = team_of(profile.user)
    context = {"profile": profile, "team": team, "phases": entered_phases(team), "now": timezone.now()}
    return render(request, "leaderboard/person.html", context)


def entered_phases(team: Team | None) -> list[Phase]:
    """Return the phases with a public board on which the team stands, the newest first."""
    if team is None:
        return []
    entered = Standing.objects.filter(team=team, is_baseline=False).values("phase")
    public = Phase.objects.boards_visible_to(AnonymousUser()).filter(pk__in=entered)
    return list(public.select_related("dataset")[:MAX_PHASES])
