"""Content negotiation: JSON for a program, a page for a browser, which names text/html in its Accept header."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request

from lunasite.http.renderers import BrowsablePage

HTML = "text/html"
View = Callable[..., HttpResponseBase]


def names_html(request: HttpRequest) -> bool:
    """Return whether the Accept header names text/html, as every browser's does for a page; `*/*` does not count."""
    ranges = request.headers.get("Accept", "").lower().split(",")
    return any(item.split(";")[0].strip() == HTML for item in ranges)


def wants_page(request: HttpRequest) -> bool:
    """Return whether a request should be answered by a page, or by a part of one for htmx."""
    return names_html(request) or "HX-Request" in request.headers


def is_signed_in_browser(request: HttpRequest) -> bool:
    """Return whether a signed-in user opened the address in a browser; a request with a token comes from a program."""
    return names_html(request) and "Authorization" not in request.headers and request.user.is_authenticated


def page_or_json(page: View, api: View) -> View:
    """Return a view for an address that a page and the API share: a GET by a browser gets the page, the rest the API.

    It is exempt from Django's CSRF check like every view of the API, because the page answers only GET.
    """

    @csrf_exempt
    def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        is_page = request.method in ("GET", "HEAD") and wants_page(request)
        response = (page if is_page else api)(request, *args, **kwargs)
        if isinstance(response, HttpResponse):
            patch_vary_headers(response, ["Accept", "HX-Request"])
        return response

    return view


class BrowsableNegotiation(DefaultContentNegotiation):
    """JSON by default; the browsable page only for a signed-in browser."""

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        """Return the renderer and its media type. Raises NotAcceptable."""
        pages, others = parted(renderers)
        if pages and is_signed_in_browser(request._request):
            return pages[0], HTML
        if names_html(request._request):  # a browser's Accept may name no other type, and JSON helps more than a 406
            return others[0], others[0].media_type
        return super().select_renderer(request, others, format_suffix)


class IgnoreAcceptNegotiation(BrowsableNegotiation):
    """For addresses that send CSV or a file: `Accept: text/csv` must not be refused where the answer is CSV."""

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        """Return the browsable page for a signed-in browser, else the first renderer, which also writes errors."""
        pages, others = parted(renderers)
        chosen = pages[0] if pages and is_signed_in_browser(request._request) else others[0]
        return chosen, chosen.media_type


def parted(renderers: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """Split the renderers into the browsable ones and the others."""
    known = list(renderers)
    pages = [item for item in known if isinstance(item, BrowsablePage)]
    return pages, [item for item in known if item not in pages]
