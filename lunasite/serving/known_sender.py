"""Decide whether to accept a large body: only from a sender with a valid session or token."""

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

FREE_BYTES = 2**20  # up to this size, the sender is not checked
FORM_BYTES = 2**20  # of the fields beside a file
# The limit for unknown senders; the views' limits are lower. A picture is the largest file such a sender may need.
ANYBODYS_BYTES = settings.MAX_PICTURE_BYTES + FORM_BYTES
MAX_BYTES = settings.MAX_IMAGE_BYTES + FORM_BYTES


def judge(environ: dict[str, Any]) -> Sender:
    """Return the verdict on the sender of this head; a body above the limit is refused without reading it."""
    close_old_connections()
    try:
        known = is_known(WSGIRequest(environ))
    except Exception:  # noqa: BLE001 the application meets the same error and answers it
        known = False
    return Sender(MAX_BYTES if known else ANYBODYS_BYTES, known)


def is_known(request: WSGIRequest) -> bool:
    """Return whether `request` has a valid token or session, without reading its body."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    request.session = store(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    if request.COOKIES.get(settings.SESSION_COOKIE_NAME) and get_user(request).is_authenticated:
        return True
    if "HTTP_AUTHORIZATION" not in request.META:
        return False
    requested = Request(request, authenticators=[kind() for kind in APIView.authentication_classes])
    return bool(requested.user and requested.user.is_authenticated)
