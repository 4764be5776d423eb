"""Answer a request for a file, or for one range of its bytes, so that an interrupted download goes on (RFC 9110, 14).

One range is served. A request for several gets the whole file, which the RFC allows and every client takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotModified, StreamingHttpResponse
from django.utils.http import content_disposition_header, http_date, parse_etags, quote_etag

PIECE_BYTES = 1 << 18
ONE_RANGE = re.compile(r"bytes=\s*(\d{0,19})-(\d{0,19})\s*")
OCTETS = "application/octet-stream"
SANDBOX = "default-src 'none'; sandbox"


@dataclass(frozen=True)
class Span:
    """The bytes from `start` up to and without `end`."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start


class UnsatisfiableRange(ValueError):
    """The range lies behind the end of the file."""


def asked_span(header: str, size_bytes: int) -> Span | None:
    """Return the bytes that a Range header names, or None where the whole file is to be sent.

    Raises UnsatisfiableRange.
    """
    found = ONE_RANGE.fullmatch(header)
    if not found or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size_bytes - int(last)), size_bytes
    else:
        start, end = int(first), min(int(last) + 1 if last else size_bytes, size_bytes)
        if last and int(last) < int(first):
            return None  # not a range at all: to be ignored
    if start >= size_bytes or start >= end:
        raise UnsatisfiableRange
    return Span(start, end)


def ranged_file(
    request: HttpRequest,
    path: Path,
    name: str,
    *,
    sha256: str = "",
    content_type: str = OCTETS,
    inline: bool = False,
) -> HttpResponseBase:
    """Return a file, the range that was asked for, 304 where the client has it already, or 416.

    sha256: of the content, where known; it makes the entity tag. Otherwise length and time of change do.
    """
    facts = path.stat()
    etag = quote_etag(sha256 or f"{facts.st_size:x}-{facts.st_mtime_ns:x}")
    changed = http_date(facts.st_mtime)
    if etag in parse_etags(request.headers.get("If-None-Match", "")):
        return _with_validators(HttpResponseNotModified(), etag, changed)
    try:
        span = _wanted_span(request, etag, changed, facts.st_size)
    except UnsatisfiableRange:
        response: HttpResponseBase = HttpResponse(status=416)
        response["Content-Range"] = f"bytes */{facts.st_size}"
        return _with_validators(response, etag, changed)
    sent = span or Span(0, facts.st_size)
    response = StreamingHttpResponse(_pieces(path, sent), status=206 if span else 200, content_type=content_type)
    response.may_change_threads = True  # type: ignore[attr-defined]  # no thread waits for it
    response["Content-Length"] = str(sent.length)
    if span:
        response["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{facts.st_size}"
    response["Content-Disposition"] = content_disposition_header(not inline, name) or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = SANDBOX  # replaces the site's own policy
    return _with_validators(response, etag, changed)


def _wanted_span(request: HttpRequest, etag: str, changed: str, size_bytes: int) -> Span | None:
    """Return the span to send; a range of a file that has changed since is answered with the whole new file."""
    header = request.headers.get("Range", "")
    if not header or request.method != "GET" or not _is_the_same(request.headers.get("If-Range", ""), etag, changed):
        return None
    return asked_span(header, size_bytes)


def _is_the_same(if_range: str, etag: str, changed: str) -> bool:
    """Return whether If-Range, empty or a strong entity tag or a date, names the file as it is now."""
    if not if_range or if_range == etag:
        return True
    try:
        return parsedate_to_datetime(if_range) == parsedate_to_datetime(changed)
    except (ValueError, OverflowError):  # the second: a year or an offset of twenty digits
        return False


def _with_validators(response: HttpResponseBase, etag: str, changed: str) -> HttpResponseBase:
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = etag
    response["Last-Modified"] = changed
    return response


def _pieces(path: Path, span: Span) -> Iterator[bytes]:
    """Yield the bytes of a span, never more of it in memory than one piece."""
    with path.open("rb") as file:
        file.seek(span.start)
        left = span.length
        while left and (piece := file.read(min(PIECE_BYTES, left))):
            left -= len(piece)
            yield piece
