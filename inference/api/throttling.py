"""Rate limits per caller of the models, exact over all threads, processes and hosts (lunasite.http.limits.throttling).

A count locks and writes a row. So a process takes a caller who calls fast several calls at a time, while many are
left: they are counted at once, as of the last moment at which they may be made, and what is not made within a second
is given back with the next count. Near the limit each call is counted by itself.
"""

import time
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import Any

from inference.call_log import caller_of
from lunasite.http.limits.throttling import Counted, key_of, rate_of, take

LESION_ENDPOINTS = ("lesion", "lesion_batch", "try_lesion")
SLICE_ENDPOINTS = ("slice", "slice_batch", "try_slice")
# At most this part of the calls that are left is taken at once: other processes need some too.
SHARE = 32
GRANT_S = 1.0
MAX_GRANTS = 1000


@dataclass
class Grant:
    """Calls that were counted and not yet made, until a time of time.monotonic(). counted_at: for giving them back."""

    calls: int
    until: float
    counted_at: float
    size: int
    left: int

    @property
    def next_size(self) -> int:
        """Return how many to take next: twice as many while all are made, one after some were not."""
        return max(1, min(2 * self.size if self.calls == 0 else 1, self.left // SHARE))


_grants: dict[tuple[str, str, int, float], Grant] = {}
_lock = Lock()
# One thread of this process counts for a caller at a time, so that no grant is lost; by the key's hash.
_counting = [Lock() for _ in range(64)]


def wait_s(request: Any, endpoints: tuple[str, ...]) -> float | None:
    """Count a call; return the seconds that the caller must wait before it, or None when it may go on."""
    scope = "lesion" if "lesion" in endpoints else "slice"
    calls, window_s = rate_of(scope)
    caller = caller_of(request)
    key = (caller, scope, calls, window_s)
    if not calls or take_granted(key):
        return None
    with _counting[hash(key) % len(_counting)]:
        # Another thread may have counted meanwhile.
        return None if take_granted(key) else count(key)


def count(key: tuple[str, str, int, float]) -> float | None:
    """Count a call, with some for later where the caller has made all of the last ones; return how long to wait."""
    caller, scope, calls, window_s = key
    used = _grants.get(key)
    wanted, given_back = (used.next_size, (used.counted_at, used.calls)) if used else (1, None)
    counted = take(
        key_of(scope, caller), calls, window_s, time.time(),
        most=wanted, within_s=GRANT_S if wanted > 1 else 0.0, given_back=given_back,
    )  # fmt: skip
    keep(key, counted)
    return None if counted.wait_s is None else max(1.0, counted.wait_s)


def take_granted(key: tuple[str, str, int, float]) -> bool:
    """Use up one granted call; return whether there was one."""
    with _lock:
        given = _grants.get(key)
        if given is None or given.calls <= 0 or monotonic() > given.until:
            return False
        given.calls -= 1
        return True


def keep(key: tuple[str, str, int, float], counted: Counted) -> None:
    """Grant what was taken beyond the call that asks."""
    with _lock:
        _grants.pop(key, None)
        if counted.taken == 0:
            return
        if len(_grants) >= MAX_GRANTS:  # the calls they still hold leave with their windows
            _grants.clear()
        _grants[key] = Grant(counted.taken - 1, monotonic() + GRANT_S, counted.at, counted.taken, counted.left)
