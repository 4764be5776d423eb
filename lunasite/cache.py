"""The Redis cache, with a stand-in for while Redis is away: throttles count in each process, and no page fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import structlog
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)
# So long Redis is not asked again after it failed: each request would otherwise wait for its time-out.
AWAY_FOR_S = 5.0
AWAY = (RedisError, OSError)


def _with_stand_in(name: str) -> Callable[..., Any]:
    """Return a cache method that asks Redis, or the process's own memory while Redis is away."""

    def method(self: FallbackRedisCache, *args: Any, **kwargs: Any) -> Any:
        if not self.is_away:
            try:
                return getattr(super(FallbackRedisCache, self), name)(*args, **kwargs)
            except AWAY as error:
                self.note_away(error)
        return getattr(self.stand_in, name)(*args, **kwargs)

    method.__name__ = name
    return method


class FallbackRedisCache(RedisCache):
    """Django's Redis cache. What was kept in Redis is missing while it is away, and what is kept meanwhile after it."""

    away_until = 0.0  # of the whole process: Django makes an instance a thread

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self.stand_in = LocMemCache("while-redis-is-away", {})

    @property
    def is_away(self) -> bool:
        return time.monotonic() < FallbackRedisCache.away_until

    def note_away(self, error: Exception) -> None:
        FallbackRedisCache.away_until = time.monotonic() + AWAY_FOR_S
        log.warning("redis away", error=type(error).__name__)

    add = _with_stand_in("add")
    get = _with_stand_in("get")
    set = _with_stand_in("set")
    touch = _with_stand_in("touch")
    delete = _with_stand_in("delete")
    get_many = _with_stand_in("get_many")
    has_key = _with_stand_in("has_key")
    incr = _with_stand_in("incr")
    set_many = _with_stand_in("set_many")
    delete_many = _with_stand_in("delete_many")
    clear = _with_stand_in("clear")
