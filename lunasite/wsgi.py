"""The WSGI application that gunicorn serves."""

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.core.wsgi import get_wsgi_application

from lunasite.serving.content_length import check_content_length
from lunasite.serving.drain_body import Application, DrainRequestBody, Environ


def reject_suspicious_requests(application: Application) -> Application:
    """Answer 400 to what Django refuses while it makes the request, before its own handling of errors begins."""

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            return application(environ, start_response)
        except SuspiciousOperation:
            from lunasite.http.errors import body

            start_response("400 Bad Request", [("Content-Type", "application/json")])
            return [json.dumps(body("MALFORMED_REQUEST", "The request could not be read.")).encode()]

    return answer


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lunasite.settings")
application = check_content_length(DrainRequestBody(reject_suspicious_requests(get_wsgi_application())))
