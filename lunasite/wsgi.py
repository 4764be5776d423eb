"""The WSGI application that gunicorn serves."""

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.core.wsgi import get_wsgi_application

Environ = dict[str, Any]


class Site:
    """Django, and what the event loop asks about a body before it takes it.

    free_body_bytes: up to here it need not ask. judge: who sends a head, and how large a body they may send.
    """

    def __init__(self, application: Callable[[Environ, Callable[..., Any]], Iterable[bytes]]) -> None:
        from lunasite.serving import known_sender

        self._application = application
        self.free_body_bytes = known_sender.FREE_BYTES
        self.judge = known_sender.judge

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer; 400 for what Django refuses while it makes the request, before its handling of errors begins."""
        try:
            return self._application(environ, start_response)
        except SuspiciousOperation:
            from lunasite.http.errors import body

            start_response("400 Bad Request", [("Content-Type", "application/json")])
            return [json.dumps(body("MALFORMED_REQUEST", "The request could not be read.")).encode()]


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lunasite.settings")
application = Site(get_wsgi_application())
