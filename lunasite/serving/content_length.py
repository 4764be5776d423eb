"""How long a request's body says it is, and what its reader hears when it did not come."""

from collections.abc import Iterable


class TruncatedBodyError(OSError):
    """The body is not there in full: Django and the upload views take it for a connection that broke."""


def check_content_length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """Return the announced bytes of a body, or None for one in pieces (chunked).

    headers: with names in lower case. Raises ValueError where both are said: a proxy may have followed the other one.
    """
    found = dict(headers)
    if b"transfer-encoding" not in found:
        return int(found.get(b"content-length", 0))
    if b"content-length" in found:
        raise ValueError("both Content-Length and Transfer-Encoding")
    return None


class RefusedBody:
    """The body of a request that is answered by its head alone."""

    def read(self, size: int = -1) -> bytes:
        raise TruncatedBodyError("the body was not taken")

    readline = read
