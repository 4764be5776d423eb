"""Who may open the organiser's pages: the same Django permissions as in the admin."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse

from submissions.models.access import holds

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
