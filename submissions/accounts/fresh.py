"""Ask for a fresh sign-in before something is given out that outlives the session."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps

from allauth.account import app_settings
from allauth.account.authentication import get_authentication_records
from allauth.core.exceptions import ReauthenticationRequired
from django.http import HttpRequest, HttpResponse

View = Callable[..., HttpResponse]


def fresh_sign_in_required(view: View) -> View:
    """Send whoever signed in longer than ACCOUNT_REAUTHENTICATION_TIMEOUT ago to the page that asks for the password.

    allauth's own decorator asks even whoever has signed in a moment ago. Its middleware turns the exception into the
    redirect, keeps the form's data, and goes on with it afterwards.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        signed_in_at = max((record["at"] for record in get_authentication_records(request, request.user)), default=0.0)
        if time.time() - signed_in_at >= app_settings.REAUTHENTICATION_TIMEOUT:
            raise ReauthenticationRequired
        return view(request, *args, **kwargs)

    return guarded
