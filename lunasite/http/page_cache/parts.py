"""Parts of pages that all see alike who see only what is public, kept for people who are signed in too.

A member's page differs from a visitor's by its head, some links and the marks at own rows. What costs is the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

from django.db import DatabaseError

from lunasite.http.page_cache.content_version import content_version
from lunasite.http.page_cache.pages import Pages
from lunasite.http.page_cache.views import seconds_to_keep

Part = TypeVar("Part")
# Each at most some hundred kilobytes: the rows of a page of a board.
MAX_PARTS = 100


@dataclass(frozen=True)
class KeptPart:
    """What was made for a part of a page."""

    version: str
    until: float
    value: object
    n_bytes: int = 0


PARTS: Pages[KeptPart] = Pages(most=MAX_PARTS)


def kept_part(user: Any, key: Hashable, until: Callable[[datetime], datetime | None], make: Callable[[], Part]) -> Part:
    """Return what `make` returns, made now or before for the same public content; nobody may change it.

    user: for staff it is made anew each time, since every permission to see more takes the staff mark.
    key: tells the part from all others. until: as in `kept_for_visitors`.
    """
    version = None if user.is_staff else _version()
    if version is None:
        return make()
    if (kept := PARTS.get(key, version)) is None:
        kept = KeptPart(version, time.monotonic() + seconds_to_keep(until), make())
        PARTS.keep(key, kept)
    return cast(Part, kept.value)


def _version() -> str | None:
    try:
        return content_version()
    except DatabaseError:  # what makes the part meets it as well
        return None
