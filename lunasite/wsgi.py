"""The WSGI application that gunicorn serves."""

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.core.wsgi import get_wsgi_application

from lunasite.serving.unread_body import Application, Environ, ThrowsAwayUnreadBodies
from lunasite.serving.whole_body import telling_cut_bodies


def refusing_strange_requests(application: Application) -> Application:
    """Answer 400 to what Django refuses while it makes the request, before its own handling of errors begins."""

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            return application(environ, start_response)
        except SuspiciousOperation:
            from lunasite.errors import body

            start_response("400 Bad Request", [("Content-Type", "application/json")])
            return [json.dumps(body("MALFORMED_REQUEST", "The request could not be read.")).encode()]

    return answer


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lunasite.settings")
application = telling_cut_bodies(ThrowsAwayUnreadBodies(refusing_strange_requests(get_wsgi_application())))
