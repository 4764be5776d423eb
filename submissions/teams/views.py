"""The team page: create, join by code, leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from submissions.models import Membership, RegistryCredential, Team, TeamInvitation
from submissions.models.team import team_of
from submissions.participation.binding import abandoned_teams
from submissions.teams.entries import entries_context
from submissions.teams.forms import InviteForm, JoinForm, TeamForm
from submissions.teams.invitations import accept_invitation, invitation_of
from submissions.teams.membership import TeamError, create_team, join_team, leave_team, return_to_team
from submissions.teams.registries import RegistryForm, registries_context, save_credential


def team_page(request: HttpRequest, status: int = 200, **forms: Any) -> HttpResponse:
    user: Any = request.user
    team = team_of(user)
    memberships = Membership.objects.filter(team=team).select_related("user__profile").order_by("joined_at")
    context = {
        "team": team,
        "memberships": memberships,
        "is_owner": any(row.is_owner and row.user_id == user.pk for row in memberships),
        "invitations": TeamInvitation.objects.filter(team=team, expires_at__gt=timezone.now()),
        "abandoned": abandoned_teams(user) if team is None else [],
        "invite_form": InviteForm(),
        "rename_form": TeamForm(initial={"name": team.name if team else ""}),
        "create_form": TeamForm(),
        "join_form": JoinForm(),
        **registries_context(team),
        **entries_context(team, user),
        **forms,
    }
    return render(request, "submissions/team.html", context, status=status)


@login_required
@never_cache
@require_safe
def team(request: HttpRequest) -> HttpResponse:
    return team_page(request)


@login_required
@require_POST
def create(request: HttpRequest) -> HttpResponse:
    message = "Team {} is made. Give the code to those who should join."
    return _take(request, "create_form", TeamForm(request.POST), create_team, message)


@login_required
@require_POST
def join(request: HttpRequest) -> HttpResponse:
    message = "You are in team {}; you share its tries and its row on the board."
    return _take(request, "join_form", JoinForm(request.POST), join_team, message)


def _take(
    request: HttpRequest, shown_as: str, form: TeamForm | JoinForm, verb: Callable[..., Team], message: str
) -> HttpResponse:
    """Call the verb with the form's data; show an error beside the form's only field."""
    try:
        if form.is_valid():
            messages.success(request, message.format(verb(user=request.user, **form.cleaned_data).name))
            return redirect("team")
    except TeamError as error:
        form.add_error(next(iter(form.fields)), str(error))
    return team_page(request, 400, **{shown_as: form})


@login_required
@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    try:
        leave_team(user=request.user)  # type: ignore[arg-type]
    except TeamError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "You left the team. Its submissions stay with it, and its code was renewed.")
    return redirect("team")


@login_required
@require_POST
def go_back(request: HttpRequest, number: int) -> HttpResponse:
    """Go back to a team of the user's own in which nobody is left."""
    try:
        team = return_to_team(user=request.user, team_id=number)  # type: ignore[arg-type]
        messages.success(request, f"You are in team {team.name} again.")
    except TeamError as error:
        messages.error(request, str(error))
    return redirect("team")


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """Show who invites to which team; on POST, join it."""
    if request.method != "POST":
        found = invitation_of(secret)
        context = {"invitation": found, "team": team_of(request.user)}
        return render(request, "submissions/invitation.html", context, status=200 if found else 404)
    try:
        joined = accept_invitation(user=request.user, secret=secret)  # type: ignore[arg-type]
        messages.success(request, f"You are in team {joined.name}; you share its tries and its row on the board.")
    except TeamError as error:
        messages.error(request, str(error))
    return redirect("team")


@login_required
@require_POST
def forget_registry(request: HttpRequest, number: int) -> HttpResponse:
    """Delete credentials of the user's own team."""
    team = team_of(request.user)
    if not RegistryCredential.objects.filter(team=team, pk=number).delete()[0]:
        raise Http404
    messages.success(request, "The password was deleted.")
    return redirect("team")


@sensitive_post_parameters("password")
@login_required
@require_POST
def enter_registry(request: HttpRequest) -> HttpResponse:
    """Store credentials for the user's own team."""
    team = team_of(request.user)
    if team is None or not settings.IMAGE_REGISTRIES:
        raise Http404
    form = RegistryForm(request.POST)
    if not form.is_valid():
        return team_page(request, 400, registry_form=form)
    save_credential(team, **form.cleaned_data)
    messages.success(request, "Stored. Images of your team are pulled with it.")
    return redirect("team")
