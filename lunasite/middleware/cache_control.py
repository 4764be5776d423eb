"""Keep what a signed-in person was shown out of every cache."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse


class NoStoreMiddleware:
    """Answers to somebody with a token or a session are theirs alone, unless the view says otherwise."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_somebodys = "Authorization" in request.headers or settings.SESSION_COOKIE_NAME in request.COOKIES
        if is_somebodys and not response.has_header("Cache-Control"):
            response["Cache-Control"] = "private, no-store"
        return response
