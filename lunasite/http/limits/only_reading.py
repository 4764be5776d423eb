"""Addresses that are only read, by programs: any other method gets 405 as JSON, before Django asks for a CSRF token."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from lunasite.http.errors import body

View = Callable[..., HttpResponse]
READING = ("GET", "HEAD")


def only_reading(view: View) -> View:
    """Return the view for GET and HEAD; nothing it does changes anything, so it needs no CSRF check."""

    @csrf_exempt
    @wraps(view)
    def read(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method in READING:
            return view(request, *args, **kwargs)
        message = f"This address is only read: send {' or '.join(READING)}."
        refusal = JsonResponse(body("METHOD_NOT_ALLOWED", message), status=405)
        refusal["Allow"] = ", ".join(READING)
        return refusal

    return read
