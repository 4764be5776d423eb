"""Whether a large body is worth taking: only from somebody who has signed in or holds a token."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.core.handlers.wsgi import WSGIRequest
from django.db import close_old_connections
from rest_framework.request import Request
from rest_framework.views import APIView

from lunasite.serving.connection import Sender

FREE_BYTES = 2**20  # not worth a question
FORM_BYTES = 2**20  # of the fields beside a file
# What anybody may send; the views refuse less. A picture is the largest thing an unknown sender has a use for.
ANYBODYS_BYTES = settings.MAX_PICTURE_BYTES + FORM_BYTES
MOST_BYTES = settings.MAX_IMAGE_BYTES + FORM_BYTES


def judge(environ: dict[str, Any]) -> Sender:
    """Return who sends this head. A body longer than they may send is answered by its head alone."""
    close_old_connections()
    try:
        known = is_known(WSGIRequest(environ))
    except Exception:  # noqa: BLE001 the application meets the same fault and answers it
        known = False
    return Sender(MOST_BYTES if known else ANYBODYS_BYTES, known)


def is_known(request: WSGIRequest) -> bool:
    """Tell whether `request` carries a valid token or session; its body is not touched."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    request.session = store(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    if request.COOKIES.get(settings.SESSION_COOKIE_NAME) and get_user(request).is_authenticated:
        return True
    if "HTTP_AUTHORIZATION" not in request.META:
        return False
    requested = Request(request, authenticators=[kind() for kind in APIView.authentication_classes])
    return bool(requested.user and requested.user.is_authenticated)
