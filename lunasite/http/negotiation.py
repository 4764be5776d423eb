"""Which form an answer takes, where the address decides it and not the Accept header."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request


class IgnoreAcceptNegotiation(DefaultContentNegotiation):
    """For addresses that send CSV or a file: `Accept: text/csv` must not be refused where CSV is what comes."""

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        """Return the first renderer: what errors are written in."""
        first = next(iter(renderers))
        return first, first.media_type
