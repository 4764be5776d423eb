"""Who may open the organiser's pages: the same Django permissions as in the admin."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from submissions.models import Challenge
from submissions.models.access import holds

CHANGE_CHALLENGE = "submissions.change_challenge"
View = Callable[..., HttpResponse]


def needs(permission: str) -> Callable[[View], View]:
    """Let in whoever holds the permission; for anybody else who is signed in the page does not exist (404)."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not holds(request.user, permission):
                raise Http404
            return view(request, *args, **kwargs)

        return login_required(guarded)

    return decorate


def own_challenge(request: HttpRequest, slug: str) -> Challenge:
    """Return a challenge that the user may change; for anybody else it does not exist here (404)."""
    return get_object_or_404(Challenge.objects.managed_by(request.user, CHANGE_CHALLENGE), slug=slug)
