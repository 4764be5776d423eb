"""Accept API paths with and without the trailing slash, and a POST to a page's address without the slash."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import is_valid_path

PREFIXES = ("/api/", "/apitest/")


class TrailingSlashMiddleware:
    """Strip the trailing slash of API paths, so that each endpoint is declared once, without it.

    A redirect would lose the body of a POST; for the same reason, a POST to a page without the slash is not redirected.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        path = request.path_info
        if path.startswith(PREFIXES):
            request.path_info = path.rstrip("/")
        elif request.method == "POST" and not path.endswith("/") and is_page_without_slash(path):
            request.path_info = f"{path}/"
        return self.get_response(request)


def is_page_without_slash(path: str) -> bool:
    """Return whether the path becomes a page's address when a slash is added."""
    return not is_valid_path(path) and bool(is_valid_path(f"{path}/"))
