"""Parsers of API request bodies; lunasite.http.errors turns what they raise into a sentence with a remedy."""

import re
from typing import Any

from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser

from lunasite.http import multipart

# What may follow the last boundary of a whole body: the hyphens that close it, which some clients leave out.
AFTER_LAST_BOUNDARY = b"- \t\r\n"
# The line of a part's head with its file's name; a longer one is not looked for across two reads. From the line's
# beginning only: a file of nothing but these words would else be searched anew from each of them.
FILE_NAME = re.compile(rb'(?:\A|\n)content-disposition:[^\r\n]*\bfilename="([^"\r\n]*)"', re.IGNORECASE)
MAX_HEADER_BYTES = 1024


def refuse_compressed(media_type: Any, parser_context: Any) -> None:
    """Raise UnsupportedMediaType if the header Content-Encoding says that the body is compressed."""
    request = (parser_context or {}).get("request")
    if request is not None and multipart.compression(request.META):
        raise UnsupportedMediaType(media_type or "")


class PlainFormParser(FormParser):
    """Parser of fields without files."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """Return the fields. Raises UnsupportedMediaType."""
        refuse_compressed(media_type, parser_context)
        return super().parse(stream, media_type, parser_context)


class PartsParser(MultiPartParser):
    """Multipart parser; a body without the boundary that Content-Type names is an error, and a file name not in UTF-8.

    Django would take such a body for the first part alone, with all that follows as its value; and it leaves out a
    part whose name is in another encoding, as curl on Windows sends it, as if it had not come. A body that ends within
    a part is an error, too: Django would leave out a file that was cut off, and take a text for whole.
    """

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """Return fields and files. Raises ParseError or UnsupportedMediaType."""
        refuse_compressed(media_type, parser_context)
        watched: Any = _Watched(stream, multipart.boundary(media_type or "").encode("ascii", "replace"))
        try:
            return super().parse(watched, media_type, parser_context)
        finally:
            if watched.lacks_boundary:
                raise ParseError(multipart.NO_PART)
            if watched.has_foreign_name:
                raise ParseError(multipart.NOT_UTF8_NAME)
            if watched.ended_within_a_part:
                raise ParseError(multipart.CUT_OFF)


class _Watched:
    """A stream that notes which boundaries came by, and a file name that is not UTF-8.

    lacks_boundary: whether something has been read, and no boundary so far. ended_within_a_part: whether the stream
    was read to its end, and a part was still open there.
    """

    def __init__(self, stream: Any, boundary: bytes) -> None:
        self._stream, self._boundary = stream, b"--" + boundary
        self._tail, self._has_seen, self._is_closed, self._is_open = b"", False, False, False
        self.lacks_boundary = self.has_foreign_name = self.ended_within_a_part = False

    def read(self, *size: int) -> bytes:
        data: bytes = self._stream.read(*size)
        if data:
            self._look_at(self._tail + data, data)
        elif size != (0,):
            self.ended_within_a_part = self._is_open and not self._is_closed
        return data

    def _look_at(self, window: bytes, data: bytes) -> None:
        if self._boundary in window:
            self._has_seen = True
            self._is_closed |= self._boundary + b"--" in window
            after = window[window.rindex(self._boundary) + len(self._boundary) :]
            self._is_open = not after or bool(after.strip(AFTER_LAST_BOUNDARY))
        else:
            self._is_open |= bool(data.strip(AFTER_LAST_BOUNDARY))
        self.lacks_boundary = not self._has_seen
        if b"filename=" in window:  # the expression alone would take a volume's bytes ten times as long
            self.has_foreign_name |= any(not _decodes_as_utf8(found[1]) for found in FILE_NAME.finditer(window))
        self._tail = window[-MAX_HEADER_BYTES:]


def _decodes_as_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


class BoundedJSONParser(JSONParser):
    """JSON parser; nesting deeper than Python's stack is reported as the sender's error.

    A byte-order mark, which PowerShell and .NET write, is ignored.
    """

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """Return the parsed value. Raises ParseError or UnsupportedMediaType."""
        refuse_compressed(media_type, parser_context)
        try:
            return super().parse(stream, media_type, {**(parser_context or {}), "encoding": "utf-8-sig"})
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply.") from error
        except ParseError as error:
            if isinstance(error.__context__, UnicodeDecodeError):
                raise ParseError("The JSON is not UTF-8: encode it as UTF-8.") from error
            raise
