"""Accept a Content-Type whose media type is written with capitals: its case means nothing (RFC 9110, 8.3.1)."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


class MediaTypeMiddleware:
    """Write the media type in lower case, before anything parses a body.

    Django and REST framework compare most media types without regard to case, but the parser of multipart bodies does
    not. Parameters stay as they are: a boundary's case counts.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        media_type, *parameters = request.META.get("CONTENT_TYPE", "").split(";", 1)
        if media_type != media_type.lower():
            request.META["CONTENT_TYPE"] = ";".join([media_type.lower(), *parameters])
        return self.get_response(request)
