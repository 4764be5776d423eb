"""Prevent a program's POST from ending in a redirect that stores nothing."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import resolve_url

from lunasite.http.authentication import REMEDY
from lunasite.http.errors import body, is_api
from lunasite.http.kept_post import is_sent_to_login, signed_out_page
from lunasite.http.negotiation import wants_page

SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")


class NoLostPostMiddleware:
    """Answer 401 or 403 where the site would send a program's POST to the login page or to https.

    A client follows a redirect with a GET, whose 200 looks like success although nothing was stored. A browser shows
    the page after the redirect, so it is still redirected; but to the login page it would lose what was typed, so there
    it gets a page that keeps it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.method in SAFE or response.status_code not in (301, 302):
            return response
        where = response.headers.get("Location", "")
        if wants_page(request) and not is_api(request):
            is_lost = is_sent_to_login(request, where) and "HX-Request" not in request.headers
            return signed_out_page(request) if is_lost else response
        if where == f"https://{request.get_host()}{request.get_full_path()}":
            message = f"Nothing was stored; send it to https://{request.get_host()} instead."
            return refusal(403, "HTTPS_REQUIRED", message)
        # A client without an Accept header gets Django's default treatment.
        if "Accept" in request.headers and where.split("?")[0] == resolve_url(settings.LOGIN_URL):
            return refusal(401, "UNAUTHORIZED", f"Nobody is signed in, and nothing was stored. {REMEDY}")
        return response


def refusal(status: int, code: str, message: str) -> HttpResponse:
    response = JsonResponse(body(code, message), status=status)
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response
