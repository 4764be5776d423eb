"""The kept answers of one process: the least recently used make room for new ones."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from django.http import HttpResponse

MOST_PAGES = 400
MOST_BYTES = 32 * 2**20


@dataclass(frozen=True)
class KeptPage:
    """The body and headers of an answer. until: of time.monotonic()."""

    version: str
    until: float
    body: bytes
    headers: dict[str, str]

    @property
    def etag(self) -> str:
        return self.headers["ETag"]

    def response(self) -> HttpResponse:
        return HttpResponse(self.body, headers=self.headers)


def etag_of(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


@dataclass
class Pages:
    """Answers by key, each valid for one version of the content and for a time.

    clock: seconds that never run back.
    """

    clock: Callable[[], float] = time.monotonic
    most_bytes: int = MOST_BYTES
    _kept: OrderedDict[Hashable, KeptPage] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Hashable, version: str) -> KeptPage | None:
        with self._lock:
            page = self._kept.get(key)
            if page is None or page.version != version or page.until <= self.clock():
                return None
            self._kept.move_to_end(key)
            return page

    def keep(self, key: Hashable, page: KeptPage) -> None:
        with self._lock:
            self._drop(key)
            self._kept[key] = page
            self._bytes += len(page.body)
            while len(self._kept) > MOST_PAGES or self._bytes > self.most_bytes:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> None:
        old = self._kept.pop(key, None)
        self._bytes -= len(old.body) if old else 0

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self._bytes = 0
