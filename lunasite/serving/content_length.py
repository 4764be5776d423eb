"""Content-Length check, and the error that a reader gets for a truncated body."""

from collections.abc import Iterable


class TruncatedBodyError(OSError):
    """The body is incomplete; Django and the upload views treat this like a broken connection."""


def check_content_length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """Return the declared length of a body in bytes, or None for a chunked body.

    headers: with names in lower case. Raises ValueError where both Content-Length and Transfer-Encoding are present,
    because a proxy may have used the other one.
    """
    found = dict(headers)
    if b"transfer-encoding" not in found:
        return int(found.get(b"content-length", 0))
    if b"content-length" in found:
        raise ValueError("both Content-Length and Transfer-Encoding")
    return None


class RefusedBody:
    """The body of a request that is answered without reading its body."""

    def read(self, size: int = -1) -> bytes:
        raise TruncatedBodyError("the body was not taken")

    readline = read
