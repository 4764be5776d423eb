"""The team page: create, join by code, leave."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from submissions.models import Membership
from submissions.models.team import team_of
from submissions.teams.forms import JoinForm, TeamForm
from submissions.teams.membership import TeamError, create_team, join_team, leave_team


def _page(request: HttpRequest, status: int = 200, **forms: Any) -> HttpResponse:
    user: Any = request.user
    team = team_of(user)
    context = {
        "team": team,
        "memberships": Membership.objects.filter(team=team).select_related("user").order_by("joined_at"),
        "create_form": TeamForm(),
        "join_form": JoinForm(),
        **forms,
    }
    return render(request, "submissions/team.html", context, status=status)


@login_required
@never_cache
@require_safe
def team(request: HttpRequest) -> HttpResponse:
    return _page(request)


@login_required
@require_POST
def create(request: HttpRequest) -> HttpResponse:
    form = TeamForm(request.POST)
    try:
        if form.is_valid():
            made = create_team(user=request.user, name=form.cleaned_data["name"])  # type: ignore[arg-type]
            messages.success(request, f"Team {made.name} is made. Give the code to those who should join.")
            return redirect("team")
    except TeamError as error:
        form.add_error("name", str(error))
    return _page(request, 400, create_form=form)


@login_required
@require_POST
def join(request: HttpRequest) -> HttpResponse:
    form = JoinForm(request.POST)
    try:
        if form.is_valid():
            joined = join_team(user=request.user, code=form.cleaned_data["code"])  # type: ignore[arg-type]
            messages.success(request, f"You are in team {joined.name}; you share its tries and its row on the board.")
            return redirect("team")
    except TeamError as error:
        form.add_error("code", str(error))
    return _page(request, 400, join_form=form)


@login_required
@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    try:
        leave_team(user=request.user)  # type: ignore[arg-type]
    except TeamError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "You left the team. Its submissions stay with it.")
    return redirect("team")
