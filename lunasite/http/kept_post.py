"""A form that was sent in vain: its session or its CSRF token had lapsed. It is shown and can be sent again.

Only a form of this site is kept. A form that another site made up, which the CSRF check is there to stop, would
otherwise come back with a valid token and wait for one click.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.http.request import RawPostDataException
from django.shortcuts import render, resolve_url

from lunasite.http.errors import body, is_api

MAX_KEPT_CHARACTERS = 200_000
# Never shown and never sent back: passwords, one-time codes, our own token.
SECRET_WORDS = ("password", "csrfmiddlewaretoken", "code", "secret", "token", "credential")
UNREADABLE = (
    RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent, UnreadablePostError, MultiPartParserError,
    RawPostDataException,
)  # fmt: skip


@dataclass(frozen=True)
class KeptPost:
    """fields: (name, value) as typed. files: names of the file inputs. has_secrets: something was left out."""

    fields: list[tuple[str, str]]
    files: list[str]
    has_secrets: bool

    @property
    def shown(self) -> list[tuple[str, str]]:
        """The fields that a person typed; keys and ids of the form itself are sent again unseen."""
        return [(name.replace("_", " "), value) for name, value in self.fields if value and not name.endswith("_key")]


def is_from_here(request: HttpRequest) -> bool:
    """Return whether a page of this site sent the request, by what the browser says; a header that is missing: no."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    return request.headers.get("Origin") == f"{request.scheme}://{request.get_host()}"


def kept_post(request: HttpRequest) -> KeptPost | None:
    """Return what a form of this site sent; None for any other, and for one that is too large to be read here."""
    most = settings.MAX_CSV_BYTES + 2**20
    if not is_from_here(request) or int(request.META.get("CONTENT_LENGTH") or 0) > most:
        return None
    try:
        sent = [(name, str(value)) for name, values in request.POST.lists() for value in values]
        files = list(request.FILES)
    except UNREADABLE:
        return None
    secret = [name for name, _ in sent if name != "csrfmiddlewaretoken" and _is_secret(name)]
    fields = [(name, value) for name, value in sent if not _is_secret(name)]
    if sum(len(value) for _, value in fields) > MAX_KEPT_CHARACTERS:
        return None
    return KeptPost(fields, files, bool(secret))


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in SECRET_WORDS) and not name.endswith("_url")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a POST whose CSRF token is missing or old (Django's CSRF_FAILURE_VIEW)."""
    if is_api(request):
        message = "The CSRF token is missing or old; send the session's own, or use an API token."
        return JsonResponse(body("FORBIDDEN", message), status=403)
    return render(request, "kept_post.html", {"kept": kept_post(request), "is_signed_out": False}, status=403)


def signed_out_page(request: HttpRequest) -> HttpResponse:
    """Answer a POST that needs a login where nobody is signed in any longer."""
    return render(request, "kept_post.html", {"kept": kept_post(request), "is_signed_out": True}, status=401)


def is_sent_to_login(request: HttpRequest, location: str) -> bool:
    """Return whether a redirect asks for a login before this very request."""
    where = urlsplit(location)
    wanted = parse_qs(where.query).get("next", [""])[0]
    return where.path == resolve_url(settings.LOGIN_URL) and wanted == request.get_full_path()
