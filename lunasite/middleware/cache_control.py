"""Cache-Control: keep answers to signed-in users out of every cache (no-store)."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse


class NoStoreMiddleware:
    """Mark answers to a request with a token or session as `no-store`, unless the view sets another value."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_somebodys = "Authorization" in request.headers or settings.SESSION_COOKIE_NAME in request.COOKIES
        if is_somebodys and not response.has_header("Cache-Control"):
            response["Cache-Control"] = "private, no-store"
        return response
