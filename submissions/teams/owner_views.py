"""The owner's part of the team page: code, name, members, invitations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from submissions.teams import invitations, ownership
from submissions.teams.forms import InviteForm, TeamForm
from submissions.teams.membership import TeamError
from submissions.teams.views import team_page


def _done(request: HttpRequest, verb: Callable[..., Any], sentence: str, **given: Any) -> HttpResponse:
    """Call the verb for the signed-in user and go back to the team page with a sentence."""
    try:
        verb(user=request.user, **given)
        messages.success(request, sentence)
    except TeamError as error:
        messages.error(request, str(error))
    return redirect("team")


def _filled_in(request: HttpRequest, shown_as: str, form: Any, verb: Callable[..., Any], sentence: str) -> HttpResponse:
    """Do the same with a form's field; an error is shown beside it."""
    try:
        if form.is_valid():
            verb(user=request.user, **form.cleaned_data)
            messages.success(request, sentence)
            return redirect("team")
    except TeamError as error:
        form.add_error(next(iter(form.fields)), str(error))
    return team_page(request, 400, **{shown_as: form})


@login_required
@require_POST
def new_code(request: HttpRequest) -> HttpResponse:
    return _done(request, ownership.renew_code, "The team has a new code; the old one opens nothing any more.")


@login_required
@require_POST
def new_name(request: HttpRequest) -> HttpResponse:
    return _filled_in(request, "rename_form", TeamForm(request.POST), ownership.rename, "The team has a new name.")


@login_required
@require_POST
def remove(request: HttpRequest, number: int) -> HttpResponse:
    sentence = "Removed. The team has a new code, so the old one is no way back."
    return _done(request, ownership.remove_member, sentence, member_id=number)


@login_required
@require_POST
def make_owner(request: HttpRequest, number: int) -> HttpResponse:
    return _done(request, ownership.hand_over, "You handed the team over.", member_id=number)


@login_required
@require_POST
def send_invitation(request: HttpRequest) -> HttpResponse:
    return _filled_in(request, "invite_form", InviteForm(request.POST), invitations.invite, "The invitation is sent.")


@login_required
@require_POST
def withdraw_invitation(request: HttpRequest, number: int) -> HttpResponse:
    return _done(request, invitations.withdraw, "The invitation is withdrawn.", number=number)
