"""The WSGI application that gunicorn serves."""

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.core.wsgi import get_wsgi_application

Environ = dict[str, Any]


class Site:
    """Django's WSGI application, with the check that the event loop makes before it accepts a body.

    free_body_bytes: bodies up to this size need no check. judge: returns the sender of a head and the most bytes of
    body allowed.
    """

    def __init__(self, application: Callable[[Environ, Callable[..., Any]], Iterable[bytes]]) -> None:
        from lunasite.serving import known_sender

        self._application = application
        self.free_body_bytes = known_sender.FREE_BYTES
        self.judge = known_sender.judge

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request; 400 if Django refuses it while building the request, before its error handling begins.

        Also 400 for HTTP/1.1 without a Host (RFC 9112, section 3.2): Django would take the server's own name for it.
        """
        if environ.get("SERVER_PROTOCOL") == "HTTP/1.1" and not environ.get("HTTP_HOST"):
            return refuse(start_response, "The request names no host; send a Host header.")
        try:
            return self._application(environ, start_response)
        except SuspiciousOperation:
            return refuse(start_response, "The request could not be read.")


def refuse(start_response: Callable[..., Any], message: str) -> Iterable[bytes]:
    from lunasite.http.errors import body

    start_response("400 Bad Request", [("Content-Type", "application/json")])
    return [json.dumps(body("MALFORMED_REQUEST", message)).encode()]


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lunasite.settings")
# A page that the database keeps waiting answers 503 within 5 s, instead of holding a thread.
os.environ.setdefault("DATABASE_ANSWER_SECONDS", "3.5")
application = Site(get_wsgi_application())
