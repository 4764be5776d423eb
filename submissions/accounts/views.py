"""The account page: the user's own data, sign-in methods and API tokens."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from lunasite.http.errors import ApiError
from submissions.accounts.forms import TokenForm
from submissions.accounts.fresh import fresh_sign_in_required
from submissions.accounts.tokens import create_token
from submissions.models import ApiToken
from submissions.models.team import team_of


def _context(request: HttpRequest, form: TokenForm) -> dict[str, Any]:
    user: Any = request.user
    return {
        "form": form,
        "tokens": ApiToken.objects.visible_to(user),
        "now": timezone.now(),
        "email": EmailAddress.objects.get_primary(user),
        "authenticators": Authenticator.objects.filter(user=user).exclude(type=Authenticator.Type.RECOVERY_CODES),
        "team": team_of(user),
    }


@login_required
@never_cache
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    return render(request, "account/account.html", _context(request, TokenForm()))


@login_required
@never_cache
@require_POST
@fresh_sign_in_required
def make_token(request: HttpRequest) -> HttpResponse:
    """Show the token itself this one time: only its digest is stored.

    A token outlives the session, so a session that was left open makes none: the sign-in must be fresh.
    """
    form = TokenForm(request.POST)
    if not form.is_valid():
        return render(request, "account/account.html", _context(request, form), status=400)
    try:
        _, text = create_token(user=request.user, name=form.cleaned_data["name"], days=form.cleaned_data["days"])
    except ApiError as refusal:
        form.add_error("name", refusal.message)
        return render(request, "account/account.html", _context(request, form), status=refusal.status_code)
    return render(request, "account/account.html", {**_context(request, TokenForm()), "new_token": text}, status=201)


@login_required
@require_POST
def revoke_token(request: HttpRequest, token_key: str) -> HttpResponse:
    token = get_object_or_404(ApiToken.objects.visible_to(request.user), token_key=token_key)
    token.delete()
    messages.success(request, f"The token '{token.name}' is revoked; whoever uses it is refused from now on.")
    return redirect("account")
