"""Every error of the API in one shape: status, error_code, message, details (docs/reference/api-contract.md)."""

import math
import re
from typing import Any, TypeGuard

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.db import DataError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.shortcuts import render
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from lunasite.http import multipart
from lunasite.http.authentication import REMEDY
from lunasite.http.multipart import LARGE_TEXT, FormTooLarge
from lunasite.http.negotiation import wants_page
from lunasite.http.tracing import current_request_id

log = structlog.get_logger(__name__)
FORM_TOO_LARGE = "The request is larger than this site takes; send a smaller file."
NO_YEAR = re.compile(r"year\b.*\b(out of range|in 1\.\.9999)", re.IGNORECASE)

CODES: dict[type[Exception], str] = {
    exceptions.NotAuthenticated: "UNAUTHORIZED",
    exceptions.AuthenticationFailed: "UNAUTHORIZED",
    exceptions.PermissionDenied: "FORBIDDEN",
    exceptions.NotFound: "NOT_FOUND",
    exceptions.MethodNotAllowed: "METHOD_NOT_ALLOWED",
    exceptions.UnsupportedMediaType: "UNSUPPORTED_MEDIA_TYPE",
    exceptions.NotAcceptable: "NOT_ACCEPTABLE",
    exceptions.Throttled: "TOO_MANY_REQUESTS",
    exceptions.ParseError: "MALFORMED_REQUEST",
    exceptions.ValidationError: "VALIDATION_ERROR",
}


class ApiError(exceptions.APIException):
    """A refused request, with a message of this project; the API and the pages show the same sentence.

    `raise ApiError(413, "FILE_TOO_LARGE", "Sentence with a remedy.", field="file")`. status_code is HTTP's; details are
    JSON values; retry_after_s becomes the header Retry-After.
    """

    def __init__(
        self, status_code: int, error_code: str, message: str, *, retry_after_s: float | None = None, **details: Any
    ) -> None:
        super().__init__(message, error_code)
        self.status_code = status_code
        self.error_code = error_code
        self.message = message
        self.details = details
        self.wait = retry_after_s


def body(error_code: str, message: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the body of an error; `detail` repeats the message for older clients."""
    return {
        "status": "error",
        "error_code": error_code,
        "message": message,
        "details": details or {},
        "detail": message,
    }


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """Convert any exception of an API view to the common error format."""
    error = _known(error)
    _name_the_remedy(error, context)
    set_rollback()
    if not isinstance(error, exceptions.APIException) and not hasattr(error, "error_code"):
        return _server_error(error)
    headers = {}
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(max(1, math.ceil(wait)))
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    message, details = _message_and_details(error)
    status_code = getattr(error, "status_code", 500)
    return Response(body(_code(error), message, details), status_code, headers=headers)


def _name_the_remedy(error: Exception, context: dict[str, Any]) -> None:
    """Replace REST framework's messages for an unreadable body, which name no remedy, by what to send instead."""
    request, view = context.get("request"), context.get("view")
    content_type = request.META.get("CONTENT_TYPE", "") if request is not None else ""
    if isinstance(error, exceptions.UnsupportedMediaType):
        parsers = getattr(view, "parser_classes", ())
        takes_json = any("json" in str(parser.media_type) for parser in parsers)
        packed = multipart.compression(request.META) if request is not None else ""
        sentence = multipart.wrong_media_type(content_type, takes_json=takes_json)
        sentence = multipart.compressed_body(packed) if packed else sentence
        error.detail = exceptions.ErrorDetail(sentence, "unsupported_media_type")
    elif isinstance(error, exceptions.MethodNotAllowed):
        error.detail = exceptions.ErrorDetail(_methods_taken(request, view), "method_not_allowed")
    elif isinstance(error, exceptions.ParseError) and "multipart" in content_type.lower():
        error.detail = exceptions.ErrorDetail(multipart.malformed_body(content_type, str(error.detail)), "parse_error")


def _methods_taken(request: Any, view: Any) -> str:
    taken = [method for method in getattr(view, "allowed_methods", ()) if method not in ("HEAD", "OPTIONS")]
    sent = str(getattr(request, "method", ""))[:20]
    return f"This address takes {' and '.join(taken)}, not {sent}: /api/docs/ says what each of them does."


def _known(error: Exception) -> Exception:
    if isinstance(error, Http404):
        return exceptions.NotFound("There is nothing here that you may see; check the address, and who you are.")
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(error, exceptions.NotAuthenticated):
        error.detail = exceptions.ErrorDetail(f"Nobody is signed in. {REMEDY}", "not_authenticated")
        return error
    if isinstance(error, exceptions.Throttled):
        wait_s = math.ceil(getattr(error, "wait", None) or 1)
        sentence = f"You ask more often than this address allows; try again in {wait_s} s."
        error.detail = exceptions.ErrorDetail(sentence, "throttled")
        return error
    if isinstance(error, RequestDataTooBig):
        return ApiError(413, "FILE_TOO_LARGE", FORM_TOO_LARGE if isinstance(error, FormTooLarge) else LARGE_TEXT)
    if isinstance(error, TooManyFilesSent | TooManyFieldsSent):
        return ApiError(400, "VALIDATION_ERROR", "The request holds too many parts; send only the named ones.")
    if isinstance(error, UnreadablePostError):
        return ApiError(400, "UPLOAD_INCOMPLETE", "The connection broke before all of the request arrived; try again.")
    # PostgreSQL accepts no NUL in a text, SQLite no number beyond 64 bits.
    if isinstance(error, DataError | OverflowError):
        return ApiError(400, "MALFORMED_REQUEST", "A value in the request cannot be used; send plain text.")
    if isinstance(error, OperationalError):
        log.warning("database busy", error=type(error).__name__)
        return ApiError(503, "TRY_AGAIN", "The site is busy; try again in a few seconds.", retry_after_s=3)
    return error


def _code(error: Exception) -> str:
    """Return the error's own code if it has one (ApiError), else the code of its class."""
    if given := getattr(error, "error_code", None):
        return str(given)
    return next((code for kind, code in CODES.items() if isinstance(error, kind)), "ERROR")


def _message_and_details(error: Exception) -> tuple[str, dict[str, Any]]:
    if isinstance(error, exceptions.ValidationError):
        return _first_problem(error.detail)
    message = str(getattr(error, "detail", error))
    return message, getattr(error, "details", {})


def _first_problem(detail: Any) -> tuple[str, dict[str, Any]]:
    """Return the first field's message, and the messages of all fields as details."""
    if not isinstance(detail, dict):
        return str(detail[0] if isinstance(detail, list) and detail else detail), {}
    field, problems = next(iter(detail.items()))
    problem = problems[0] if isinstance(problems, list) and problems else problems
    everything = {name: _texts(value) for name, value in detail.items()}
    if field == "non_field_errors":
        return str(problem), {"problems": everything}
    return f"{field}: {problem}", {"field": field, "problems": everything}


def _texts(value: Any) -> Any:
    return [str(item) for item in value] if isinstance(value, list) else str(value)


def _server_error(error: Exception) -> Response:
    request_id = current_request_id()
    log.error("request failed", request_id=request_id, exc_info=error)
    message = "Something went wrong on our side; try again, and send us the request id if it stays."
    return Response(body("INTERNAL_SERVER_ERROR", message, {"requestId": request_id}), 500)


# Addresses of earlier systems that may also be a page's address (lunasite.earlier_urls).
SHARED_ADDRESSES = ("/submissions", "/submissions/docker", "/leaderboard", "/auth/login")


def is_api(request: HttpRequest) -> bool:
    """Return whether errors are sent as JSON: below the API's addresses, and to programs where a page shares one."""
    return is_api_path(request, request.path)


def is_api_path(request: HttpRequest, path: str) -> bool:
    """Return the same of a path that the request could have had."""
    if path.startswith(("/api/", "/apitest/", "/api-token-auth", "/predict", "/feedback")):
        return True
    is_shared = path.removesuffix("/") in SHARED_ADDRESSES
    return is_shared and not (request.method in ("GET", "HEAD") and wants_page(request))


def lockout_response(request: HttpRequest, credentials: Any = None, *args: Any, **kwargs: Any) -> HttpResponse:
    """Answer a login that axes refuses: JSON to the API, a page to a browser."""
    from django.conf import settings

    wait_s = int(settings.AXES_COOLOFF_TIME.total_seconds())
    message = f"Too many failed logins. Wait {wait_s // 60} minutes, or reset your password."
    response: HttpResponse
    if is_api(request):
        response = JsonResponse(body("TOO_MANY_ATTEMPTS", message), status=status.HTTP_429_TOO_MANY_REQUESTS)
    else:
        response = render(request, "429.html", {"message": message}, status=429)
    response["Retry-After"] = str(wait_s)
    return response


def busy_page(request: HttpRequest, error: ApiError) -> HttpResponse:
    """Return the page for a 429 with its sentence and Retry-After."""
    return come_back_later(render(request, "429.html", {"message": error.message}, status=429), error)


def come_back_later(answer: HttpResponse, error: ApiError) -> HttpResponse:
    """Return the answer with the error's Retry-After."""
    answer["Retry-After"] = str(max(1, math.ceil(error.wait or 1)))
    return answer


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if is_api(request):
        message = "There is no such address; /api/docs/ lists them all."
        return JsonResponse(body("NOT_FOUND", message), status=404)
    return render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 503 when the database is unavailable (F13), else 500; neither page uses a context that needs the database.

    PostgreSQL accepts neither a NUL in a text nor an infinite number, and no database a number beyond 64 bits or a
    year outside 1 to 9999: then the request is at fault and is answered with 400. The same holds for a truncated body.
    """
    import sys

    error = sys.exc_info()[1]
    if isinstance(error, DataError | UnreadablePostError | OverflowError) or _is_no_year(error):
        return bad_request(request, error)
    away = isinstance(error, OperationalError)
    code, http = ("TRY_AGAIN", 503) if away else ("INTERNAL_SERVER_ERROR", 500)
    message = "The site is busy; try again in a few seconds." if away else "Something went wrong on our side."
    response: HttpResponse
    if is_api(request):
        response = JsonResponse(body(code, message), status=http)
    else:
        response = HttpResponse(_page(http), status=http)
    if away:
        response["Retry-After"] = "5"
    return response


def _is_no_year(error: BaseException | None) -> TypeGuard[ValueError]:
    """Return whether a date could not be made of a year, as of a filter in an address: Python says it in words only."""
    return isinstance(error, ValueError) and NO_YEAR.match(str(error)) is not None


def _page(http: int) -> str:
    from django.template.loader import render_to_string

    return render_to_string(f"{http}.html")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    is_too_large = isinstance(exception, RequestDataTooBig)
    status_code = 413 if is_too_large else 400
    if is_api(request):
        code = "FILE_TOO_LARGE" if is_too_large else "MALFORMED_REQUEST"
        sentence = (
            "The request is larger than this address takes." if is_too_large else "The request could not be read."
        )
        return JsonResponse(body(code, sentence), status=status_code)
    return HttpResponse(_page(status_code), status=status_code)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_api(request):
        return JsonResponse(body("FORBIDDEN", "You may not do this."), status=403)
    return render(request, "403.html", status=403)
