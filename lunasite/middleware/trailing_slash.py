"""Accept API paths with and without the trailing slash or with doubled ones, and a POST to a page without its slash."""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import is_valid_path

from lunasite.http.errors import is_api_path

PREFIXES = ("/api/", "/apitest/")
PROBES = ("/live", "/health", "/ready")
SLASHES = re.compile("//+")


class TrailingSlashMiddleware:
    """Strip the trailing slash of API paths, so that each endpoint is declared once, without it.

    Doubled slashes are merged, as a client makes them that adds "/api/v1" to an address that ends with a slash. A
    redirect would lose the body of a POST; for the same reason, a POST to a page without the slash is not redirected.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "//" in request.path_info:
            merge_slashes(request)
        path = request.path_info
        if path.startswith(PREFIXES):
            request.path_info = path.rstrip("/")
        elif request.method == "POST" and not path.endswith("/") and is_page_without_slash(path):
            request.path_info = f"{path}/"
        return self.get_response(request)


def merge_slashes(request: HttpRequest) -> None:
    """Merge doubled slashes in an address that programs call; any other, such as /metrics, a proxy may have closed."""
    merged = SLASHES.sub("/", request.path_info)
    if is_api_path(request, merged) or merged.rstrip("/") in PROBES:
        request.path = request.path_info = merged


def is_page_without_slash(path: str) -> bool:
    """Return whether the path becomes a page's address when a slash is added."""
    return not is_valid_path(path) and bool(is_valid_path(f"{path}/"))
