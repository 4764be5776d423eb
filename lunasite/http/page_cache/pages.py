"""What one process keeps, answers and parts of them: the least recently used make room for new ones."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from django.http import HttpResponse

MAX_PAGES = 400
MAX_BYTES = 32 * 2**20


class Entry(Protocol):
    """What can be kept: for one version of the content, until a time of the clock."""

    @property
    def version(self) -> str: ...
    @property
    def until(self) -> float: ...
    @property
    def n_bytes(self) -> int: ...


AnEntry = TypeVar("AnEntry", bound=Entry)


@dataclass(frozen=True)
class KeptPage:
    """The body and headers of an answer. until: of time.monotonic()."""

    version: str
    until: float
    body: bytes
    headers: dict[str, str]

    @property
    def n_bytes(self) -> int:
        return len(self.body)

    @property
    def etag(self) -> str:
        return self.headers["ETag"]

    def response(self) -> HttpResponse:
        return HttpResponse(self.body, headers=self.headers)


def etag_of(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


@dataclass
class Pages(Generic[AnEntry]):
    """Answers, or parts of them, by key, each valid for one version of the content and for a time.

    clock: seconds that never run back.
    """

    clock: Callable[[], float] = time.monotonic
    most: int = MAX_PAGES
    most_bytes: int = MAX_BYTES
    _kept: OrderedDict[Hashable, AnEntry] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Hashable, version: str) -> AnEntry | None:
        with self._lock:
            page = self._kept.get(key)
            if page is None or page.version != version or page.until <= self.clock():
                return None
            self._kept.move_to_end(key)
            return page

    def keep(self, key: Hashable, page: AnEntry) -> None:
        with self._lock:
            self._drop(key)
            self._kept[key] = page
            self._bytes += page.n_bytes
            while len(self._kept) > self.most or self._bytes > self.most_bytes:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> None:
        old = self._kept.pop(key, None)
        self._bytes -= old.n_bytes if old else 0

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self._bytes = 0
