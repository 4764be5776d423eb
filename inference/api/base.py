"""Base classes of the inference endpoints: authentication, body parsing and the call log.

The order matters. Authentication, permissions, rate limit and size limit are checked before the body is read.
"""

import errno
from typing import Any

from django.conf import settings
from django.http import HttpRequest, QueryDict
from django.http.request import UnreadablePostError
from rest_framework import exceptions
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from inference.api import error_mapping, throttling
from inference.call_log import CallRecord
from inference.ct.geometry import PointOutsideScan
from inference.ct.reading.errors import InvalidImageFile
from inference.models import Prediction
from inference.networks.answers import ServiceError
from lunasite.http import multipart
from lunasite.http.errors import ApiError
from lunasite.http.limits.upload_limits import cap_body, close_uploads, refuse_large_body
from lunasite.http.parsers import PartsParser

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class NoFileParser(BaseParser):
    """Accept a body that holds fields but no file, and leave it unread, because the file is missing anyway."""

    media_type = "application/x-www-form-urlencoded"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> QueryDict:
        return FieldsAlone()


class FieldsAlone(QueryDict):
    """The parsed body of such a request: no values, and the content type that explains why."""

    content_type = multipart.FORM


class MultipartViewSet(ViewSet):
    """A view set that takes files of at most `max_bytes()` together, as multipart."""

    parser_classes = [PartsParser, NoFileParser]

    def max_bytes(self) -> int:
        return settings.MAX_PICTURE_BYTES

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        wrapped = super().initialize_request(request, *args, **kwargs)
        cap_body(request, self.max_bytes())
        return wrapped

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        refuse_large_body(request._request, self.max_bytes())

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Answer in JSON whatever the Accept header says: an error in JSON helps more than a 406."""
        return super().perform_content_negotiation(request, force=True)

    def handle_exception(self, exc: Exception) -> Response:
        close_uploads(self.request._request)
        return super().handle_exception(known(exc, self.request.META.get("CONTENT_TYPE", "")))


def known(error: Exception, content_type: str = "") -> Exception:
    """Return the API's error for a failure of the body, the disk or the model service."""
    if isinstance(error, UnreadablePostError):
        return ApiError(400, "VALIDATION_ERROR", "The request ended before its body did; send it again.")
    if isinstance(error, exceptions.ParseError):
        return ApiError(400, "VALIDATION_ERROR", multipart.malformed_body(content_type, str(error.detail)))
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return ApiError(503, "TRY_AGAIN", "The site is out of space; try again later.", retry_after_s=60)
    if isinstance(error, InvalidImageFile | PointOutsideScan | ServiceError):
        return error_mapping.answer_for(error)
    return error


class PredictionViewSet(MultipartViewSet):
    """Calls that use a model: rate-limited per caller, and logged once they have passed authentication."""

    endpoints: dict[str, Prediction.Endpoint] = {}
    scope: tuple[str, ...] = ()
    call: CallRecord | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        endpoint = self.endpoints.get(self.action or "")
        if endpoint is not None:
            self.perform_authentication(request)
            self.call = CallRecord.of(request, endpoint)
        super().initial(request, *args, **kwargs)

    def running_call(self) -> CallRecord:
        """Return the call in progress; there always is one while a handler runs."""
        if self.call is None:
            raise RuntimeError("no call has begun")
        return self.call

    def check_throttles(self, request: Request) -> None:
        wait = throttling.wait_s(request, self.scope)
        if wait is not None:
            self.over_limit(wait)

    def over_limit(self, wait_s: float) -> None:
        raise exceptions.Throttled(wait_s)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Response:
        if self.call is not None and response.status_code not in (401, 405):
            data = response.data if isinstance(response.data, dict) else {}
            reason = (data.get("details") or {}).get("reason", "")
            self.call.save(response.status_code, data.get("error_code", ""), str(reason))
        return super().finalize_response(request, response, *args, **kwargs)


def only_once(data: Any, names: tuple[str, ...]) -> None:
    """Raise ApiError 400 if a parameter of `names` is repeated, because it is unclear which value counts."""
    for name in names:
        if len(data.getlist(name)) > 1:
            raise ApiError(400, "VALIDATION_ERROR", f"{name}: send it once.", field=name, reason="REPEATED")


def first_problem(errors: dict[str, Any]) -> tuple[str, Any]:
    """Return the first invalid field and its first message (with `.code`)."""
    name, problems = next(iter(errors.items()))
    while isinstance(problems, list | dict) and problems:
        problems = next(iter(problems.values())) if isinstance(problems, dict) else problems[0]
    return name, problems
